"""Measures what the examination of a file that was not adopted costs, beside the file's own load and compile time.

    PYTHONPATH=. python -m peers.examination_cost --json docs/benchmarks/examination-cost.json     (in tests/)

Each turn loads every file three times: as OpenVINO alone does; as `load_engine` does after the trial in a child process,
whose verdict is remembered; and as it does for a trusted file, whose answers it then checks itself. The aim is a cost of at
most half of the file's own time, by the processor's time of this process.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import onnx
import torch
from monai.networks.nets import UNet

from rtseg.engines.adopt.open_network import open_network
from rtseg.engines.adopt.stated import StatedFacts
from rtseg.engines.openvino import compile_network
from rtseg.engines.openvino_runtime import ov
from rtseg.engines.zoo import shipped_models

SHIPPED = ("carotid", "fetal-head", "breast-lesion", "carotid-int8")
WIDE = (32, 64, 128, 256, 512)  # channels of the U-Net, 6.5 million weights


def files(folder: Path) -> dict[str, tuple[Path, StatedFacts]]:
    """Write networks without a description, and return each with what its user would state."""
    found = {}
    for name in SHIPPED:
        model = onnx.load(shipped_models()[name])
        del model.metadata_props[:]
        path = folder / f"{name}.onnx"
        onnx.save(model, path)
        found[name] = path, StatedFacts(mean=(0.0,), std=(255.0,), classes=("background", "structure"))
    torch.manual_seed(0)
    network = UNet(2, 1, 2, WIDE, (2, 2, 2, 2), num_res_units=2).eval()
    path = folder / "unet.onnx"
    torch.onnx.export(network, torch.rand(1, 1, 256, 256), str(path), opset_version=17, dynamo=False)
    found["unet of MONAI"] = path, StatedFacts(normalization="zscore", mean=(0.0,), std=(1.0,), classes=("background", "mask"))
    return found


def seconds(load: Callable[[], object]) -> float:
    """Return the processor's time of a load."""
    before = process_time()
    load()
    return process_time() - before


def plain(path: Path) -> object:
    """Read and compile a file as OpenVINO alone does, and make its request."""
    return compile_network(ov.Core().read_model(path), path, 0).create_infer_request()


def opening(path: Path, facts: StatedFacts, *, is_tried: bool) -> Callable[[], object]:
    """Return a function that opens a file as `load_engine` does."""
    return partial(open_network, path, stated=facts, quiet=True, is_tried=is_tried)


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    report: dict[str, Any] = {
        "command": "python -m peers.examination_cost",
        "turns": options.turns,
        "unit": "s of the processor",
        "files": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        made = files(Path(folder))
        times: dict[str, list[tuple[float, ...]]] = {name: [] for name in made}
        for turn in range(options.turns + 1):
            for name, (path, facts) in made.items():
                loads = partial(plain, path), opening(path, facts, is_tried=True), opening(path, facts, is_tried=False)
                row = tuple(map(seconds, loads))
                if turn:  # the first one loads libraries
                    times[name].append(row)
        for name, rows in times.items():
            own, tried, trusted = (round(float(np.median(column)), 3) for column in zip(*rows, strict=True))
            report["files"][name] = {
                "megabytes": round(made[name][0].stat().st_size / 1e6, 1),
                "own": own,
                "after_its_trial": tried,
                "trusted": trusted,
                "share_after_its_trial": round(float(np.median([(b - a) / a for a, b, _ in rows])), 2),
                "share_trusted": round(float(np.median([(c - a) / a for a, _, c in rows])), 2),
            }
    report["aim"] = "share_after_its_trial of at most 0.5"
    text = json.dumps(report, indent=1)
    sys.stdout.write(text + "\n")
    if options.json:
        options.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
