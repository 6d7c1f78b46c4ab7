"""Compare whole pipelines with ours, in turns, on one clip: from the encoded file to the drawn overlay.

PYTHONPATH=tests python -m peers.line REPORT.json CLIP FOLDER [ROUNDS [FRAMES]], with FOLDER from `python -m peers.unet`. A
baseline that is not installed is left out and listed in the report.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib import import_module, metadata
from pathlib import Path
from statistics import median
from time import perf_counter_ns

import cv2

from rtseg.cli.threads import limit_threads
from rtseg.engines.load import BFLOAT16, load_engine
from rtseg.errors import EngineError
from rtseg.overlay import Overlay
from rtseg.pipeline import Pipeline
from rtseg.session.session import Session
from rtseg.session.stabilizer import DEFAULT_TEMPORAL, TemporalOptions
from rtseg.sinks.preview import DrawSink
from rtseg.sources import open_source
from rtseg.sources.playback import LoopingSource
from rtseg.system.machine import describe_machine

WARMUP = 10
PipelineRun = Callable[[int], Iterator[None]]  # runs that many frames, and yields after each drawn one

PACKAGES = ("opencv-python-headless", "onnxruntime", "openvino", "supervision", "pyfast", "torch")
PLAIN = "OpenCV + ONNX Runtime, U-Net FP32"
FAST = "FAST (OpenVINO, in bfloat16 where the processor has it), U-Net"
RATIOS = {  # the targets: our pipeline, the baseline, minimum speedup
    "the same U-Net in FP32": ("rtseg, U-Net FP32", PLAIN, 1.3),
    "the same U-Net in FP32, FAST in FP32": ("rtseg, U-Net FP32", "FAST (ONNX Runtime), U-Net FP32", 1.0),
    "the same U-Net in FP32, FAST as it chooses": ("rtseg, U-Net FP32", FAST, 1.0),
    "the same U-Net, both in bfloat16 where the processor has it": ("rtseg, U-Net bfloat16", FAST, 1.0),
    "our INT8 form of it": ("rtseg, U-Net INT8", PLAIN, 2.7),
    "our INT8 form of it, FAST as it chooses": ("rtseg, U-Net INT8", FAST, 2.5),
    "as shipped, without steadying": ("rtseg, carotid-int8", PLAIN, 8.0),
    "as shipped": ("rtseg, carotid-int8, steadied (the default)", PLAIN, 8.0),
}


def ours(clip: str, model: str, temporal: TemporalOptions | None = None, engine_name: str = "openvino") -> PipelineRun:
    """Return rtseg's pipeline as `rtseg run` configures it, with sector, lifecycle, redaction and legend.

    temporal: options of temporal stabilization, which no baseline has; None for none.
    """
    engine = load_engine(model, engine_name)

    def line(frames: int) -> Iterator[None]:
        session, threads = Session(engine, temporal=temporal), cv2.getNumThreads()
        limit_threads()
        try:
            with closing(iter(Pipeline(LoopingSource(clip, frames), session, DrawSink(Overlay())))) as results:
                for _ in results:
                    yield
        finally:
            cv2.setNumThreads(threads)

    return line


def lines(clip: str, folder: Path) -> dict[str, Callable[[], PipelineRun]]:
    """Return a function for each pipeline that opens it; it raises ImportError or EngineError for a missing dependency."""
    spec = load_engine(folder / "unet16.onnx").spec

    def theirs(network: str, drawing: str = "draw_with_opencv") -> Callable[[], PipelineRun]:
        def opened() -> PipelineRun:
            loops = import_module("peers.loops")
            return loops.loop(clip, spec, getattr(loops, network)(folder, spec), getattr(loops, drawing)())

        return opened

    return {
        "rtseg, U-Net FP32": lambda: ours(clip, str(folder / "unet16.onnx")),
        "rtseg, U-Net bfloat16": lambda: ours(clip, str(folder / "unet16.onnx"), engine_name=BFLOAT16),
        "rtseg, U-Net INT8": lambda: ours(clip, str(folder / "unet16-int8.onnx")),
        "rtseg, carotid-int8": lambda: ours(clip, "carotid-int8"),
        "rtseg, carotid-int8, steadied (the default)": lambda: ours(clip, "carotid-int8", DEFAULT_TEMPORAL),
        PLAIN: theirs("onnx_runtime"),
        "OpenCV + ONNX Runtime + supervision, U-Net FP32": theirs("onnx_runtime", "draw_with_supervision"),
        FAST: theirs("fast_openvino"),
        "FAST (ONNX Runtime), U-Net FP32": theirs("fast_onnx_runtime"),
        "OpenCV + torch eager, U-Net FP32": theirs("torch_eager"),
    }


def fps(line: PipelineRun, frames: int) -> float:
    """Return the frames per second after the warm-up."""
    began_ns = 0
    for count, _ in enumerate(line(WARMUP + frames), start=1):
        if count == WARMUP:
            began_ns = perf_counter_ns()
    return frames * 1e9 / (perf_counter_ns() - began_ns)


def compared(rounds_fps: dict[str, list[float]]) -> dict[str, dict[str, float | bool]]:
    """Return for each target the ratio of each round, their median, and whether it reaches the target."""
    found = {}
    for name, (us, them, goal) in RATIOS.items():
        if us in rounds_fps and them in rounds_fps:
            ratios = [ours / theirs for ours, theirs in zip(rounds_fps[us], rounds_fps[them], strict=True)]
            found[name] = {
                "ours": us, "theirs": them, "goal": goal, "rounds": [round(ratio, 3) for ratio in ratios],
                "times_as_fast": round(median(ratios), 3), "reached": median(ratios) >= goal,
            }  # fmt: skip
    return found


def main(path: Path, clip: str, folder: Path, rounds: int = 7, frames: int = 60) -> None:
    opened: dict[str, PipelineRun] = {}
    left_out: dict[str, str] = {}
    for name, opener in lines(clip, folder).items():
        try:
            opened[name] = opener()
        except (ImportError, EngineError) as error:
            left_out[name] = str(error)
    rounds_fps: dict[str, list[float]] = {name: [] for name in opened}
    for _ in range(rounds):
        for name, line in opened.items():
            rounds_fps[name].append(round(fps(line, frames), 3))
    with closing(open_source(clip)) as source:
        stream = {"height": source.info.height, "width": source.info.width}
    report = {
        "machine": describe_machine(),
        "peers": {package: _version(package) for package in PACKAGES},
        "clip": {"name": Path(clip).name, **stream},
        "clock": "from the coded file to the drawn overlay, decoding inside; the lines take turns, the warm-up is left out",
        "frames_a_round": frames,
        "fps": rounds_fps,
        "median_fps": {name: round(median(values), 2) for name, values in rounds_fps.items()},
        "goals": compared(rounds_fps),
        "left_out": left_out,
    }
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps({"median_fps": report["median_fps"], "goals": report["goals"], "left_out": left_out}, indent=1))


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), *map(int, sys.argv[4:]))
