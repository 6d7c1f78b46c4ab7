"""Computes the labels, lifecycle states and measurements of a set of streams, through rtseg's public names only.

`python tests/golden/golden_labels.py` writes golden.json anew. Do so only in a commit that means to change what rtseg
segments, and give the reason there.
"""

import base64
import hashlib
import json
import os
import subprocess
import sys
import zlib
from contextlib import closing
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import rtseg
from rtseg.measure.region import measure

FILE = Path(__file__).with_name("golden.json")
SYNTHETIC = "synthetic:vessel?height=240&width=320"
FAULTS = {
    "freeze": "freeze@12+9:2",
    "cut": "cut@15",
    "lift": "lift@12+16",
    "drop": "drop@12+18",
    "gain": "gain@12+5:12",
    "depth": "depth@15:1.5",
}
ALL_FAULTS = "freeze@8+8:2,cut@22,lift@30+15,drop@52+18,gain@76+5:12,depth@86:1.5"
RECORDED = f"{SYNTHETIC}&seed=11&frames=40&faults=freeze@8+8,cut@22,lift@28+4"
FLAGS = ("sse4_2", "avx2", "fma", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_int8", "amx_bf16")
LIBRARIES = ("openvino", "numpy", "numba", "opencv-python-headless", "av")
SETTINGS = (
    "ONEDNN_",
    "DNNL_",
    "OV_",
    "NUMBA_CPU_",
    "OPENCV_",
    "NPY_",
)  # prefixes of variables that change the instructions in use
DECIMALS = 6


@dataclass(frozen=True, slots=True)
class GoldenStream:
    """Describes a source and the model that segments it."""

    model: str  # name of a shipped model
    source: str  # as for `open_source`; "replay:" alone replays a recording made for the test
    frames: int | None = None  # how many, None: to the end
    every: int = 8  # of so many frames one has its labels stored


STREAMS = {
    "clip-carotid": GoldenStream("carotid", "clip:carotid", every=15),
    "clip-fetal-head": GoldenStream("fetal-head", "clip:carotid", 50, every=10),
    "clip-nerve-vessel": GoldenStream("nerve-vessel", "clip:carotid", 50, every=10),
    **{
        f"synthetic-{kind}": GoldenStream("carotid", f"{SYNTHETIC}&seed=3&frames=36&faults={fault}")
        for kind, fault in FAULTS.items()
    },
    "synthetic-curvilinear": GoldenStream("carotid", f"{SYNTHETIC}&seed=5&frames=30&geometry=curvilinear"),
    "synthetic-all-fetal-head": GoldenStream("fetal-head", f"{SYNTHETIC}&seed=3&frames=95&faults={ALL_FAULTS}", every=12),
    "synthetic-all-nerve-vessel": GoldenStream("nerve-vessel", f"{SYNTHETIC}&seed=3&frames=95&faults={ALL_FAULTS}", every=12),
    "replay-carotid": GoldenStream("carotid", "replay:", every=6),
}


def segmented(name: str, engine: str = "openvino") -> dict[str, Any]:
    """Segment one stream with one thread; return a row a frame, and the labels of some frames in full."""
    stream = STREAMS[name]
    with TemporaryDirectory() as folder:
        source = stream.source + (recording(folder) if stream.source == "replay:" else "")
        opened, network = rtseg.open_source(source), rtseg.load_engine(stream.model, engine, threads=1)
        with closing(opened), closing(network):
            session = rtseg.Session(network, spacing_mm=opened.info.spacing_mm)
            found = [(frame.index, session.step(frame)) for frame in islice(opened, stream.frames)]
    kept = {str(index): packed(result.labels) for index, result in found[:: stream.every]}
    return {"frames": [row(index, result) for index, result in found], "labels": kept}


def recording(folder: str) -> str:
    """Record a synthetic stream by `rtseg run --record`, and return the folder's path."""
    made = str(Path(folder, "recording"))
    command = [sys.executable, "-m", "rtseg.cli", "run", RECORDED, "--threads", "1", "--record", made]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return made


def row(index: int, result: rtseg.Segmentation) -> dict[str, Any]:
    """Return one frame's index, lifecycle state, hash of its labels, and measurements by class."""
    measured = {
        one.name: [one.area_px, *np.round(one.centroid or (-1, -1), DECIMALS).tolist(), round(one.confidence, DECIMALS)]
        for one in measure(replace(result, measures_unfamiliar=True))
    }
    digest = hashlib.sha256(str(result.labels.shape).encode() + result.labels.tobytes()).hexdigest()
    return {"index": index, "life": result.life.name, "reason": result.reason, "hash": digest[:16], "measured": measured}


def packed(labels: np.ndarray) -> dict[str, Any]:
    """Return labels (H, W) uint8 as their shape and their deflated bytes in base64."""
    return {"shape": list(labels.shape), "deflated": base64.b64encode(zlib.compress(labels.tobytes(), 9)).decode()}


def unpacked(stored: dict[str, Any]) -> np.ndarray:
    """Return the labels that `packed` stored."""
    return np.frombuffer(zlib.decompress(base64.b64decode(stored["deflated"])), np.uint8).reshape(stored["shape"])


def machine_kind() -> dict[str, str]:
    """Return what decides the last bit of a network's output: processor, instructions and library versions."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        lines = []
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    processor = [facts.get(key, "") for key in ("vendor_id", "cpu family", "model", "stepping", "cache size")]
    flags = [flag for flag in FLAGS if flag in facts.get("flags", "").split()]
    settings = sorted(f"{name}={value}" for name, value in os.environ.items() if name.startswith(SETTINGS))
    described = {"processor": processor, "flags": flags, "settings": settings}
    return {name: " ".join(words) for name, words in described.items()} | {name: version(name) for name in LIBRARIES}


def write(file: Path) -> None:
    """Segment every stream and write the results as JSON, one frame a line."""
    stored = {"machine": machine_kind(), "streams": {name: segmented(name) for name in STREAMS}}
    text = json.dumps(stored, indent=None, separators=(",", ":"), ensure_ascii=False)
    file.write_text(text.replace('{"index"', '\n{"index"').replace('"synthetic', '\n"synthetic') + "\n")


if __name__ == "__main__":
    write(FILE)
