"""Compare the latency budget with dropping alone, in turns, on a machine loaded by busy loops.

PYTHONPATH=tests python -m peers.overload REPORT.json [MODEL [BUSY_PROCESSES [ROUNDS [FPS]]]]; the budget is a frame's period.
The source is the synthetic probe, paced, whose truth is known for each frame. Dice and flicker are computed on each of the
source's frames, with the mask that is displayed then: on a dropped frame, the previous one.
"""

import json
import multiprocessing
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from statistics import median

import cv2
import numpy as np

from rtseg.budget import Budget
from rtseg.engines.load import load_engine, model_path
from rtseg.engines.reduced_input import shrinkable
from rtseg.evaluation.metrics import dice
from rtseg.evaluation.temporal_metrics import ClipMotion, flicker
from rtseg.overlay import Overlay
from rtseg.pipeline import Pipeline
from rtseg.session.session import Session
from rtseg.session.speckle import SpeckleFilter
from rtseg.sinks.preview import DrawSink
from rtseg.sources import open_source
from rtseg.sources.playback import PacedSource
from rtseg.system.machine import describe_machine

FRAMES, WARMUP = 450, 30
SOURCE = "synthetic:vessel?height=720&width=1280&fps={fps}&frames={frames}&seed=5"
SPECKLE = "lee"
SMALL = (240, 135)  # (W, H) on which flicker is measured


class PreparedSource:
    """Yields frames that were rendered in advance, so that rendering does not compete with the measurement."""

    def __init__(self, frames, info):
        self.frames, self.info = frames, info

    def __iter__(self):
        return iter(self.frames)

    def close(self):
        pass


def spin() -> None:
    while True:
        pass


@contextmanager
def load(processes: int) -> Iterator[None]:
    """Load the machine with that many busy loops while the block runs."""
    busy = [multiprocessing.get_context("spawn").Process(target=spin, daemon=True) for _ in range(processes)]
    for process in busy:
        process.start()
    try:
        yield
    finally:
        for process in busy:
            process.terminate()
            process.join()


def measured(model: str, frames, info, truths, motion, *, kept: bool) -> dict[str, object]:
    """Play the clip once, with the budget or without, and return the results."""
    engine = shrinkable(load_engine(model), model_path(model))
    session = Session(engine, speckle=SpeckleFilter(SPECKLE))
    budget_ms = 1000 / info.fps
    budget = Budget(session, budget_ms, engine) if kept else None
    masks, totals, dropped, shown = [], [], 0, np.zeros(frames[0].image.shape, np.uint8)
    with (
        closing(engine),
        closing(iter(Pipeline(PacedSource(PreparedSource(frames, info)), session, DrawSink(Overlay())))) as results,
    ):
        for result in results:
            masks += [shown] * result.dropped  # dropped frames show the previous mask
            shown = result.segmentation.labels
            masks.append(shown)
            dropped += result.dropped
            totals.append(result.trace.total_ns / 1e6)
            if budget:
                budget.observe(result)
    masks = [mask == 1 for mask in masks]
    overlaps = [dice(truth == 1, mask) for truth, mask in zip(truths, masks, strict=False)]
    small = [cv2.resize(mask.view(np.uint8), SMALL, interpolation=cv2.INTER_NEAREST) > 0 for mask in masks]
    small += [small[-1]] * (len(motion.images) - len(small))  # the last frames may have been dropped
    late = sum(ms > budget_ms for ms in totals[WARMUP:])
    return {
        "frames": len(totals),
        "dropped": dropped,
        "late": late,
        "missed_share": round((late + dropped) / (len(totals) - WARMUP + dropped), 4),
        "p50_ms": round(float(np.percentile(totals[WARMUP:], 50)), 2),
        "p99_ms": round(float(np.percentile(totals[WARMUP:], 99)), 2),
        "dice": round(float(np.mean(overlaps[WARMUP:])), 4),
        "flicker": round(flicker(motion, small), 6),
        "steps": [str(event) for event in budget.events] if budget else [],
    }


def main(path: Path, model: str = "carotid", processes: int = 2, rounds: int = 3, fps: int = 30) -> None:
    uri = SOURCE.format(fps=fps, frames=FRAMES)
    with closing(open_source(uri)) as source:
        frames = list(islice(source, FRAMES))
        truths = [source.truth(frame.index) for frame in frames]
        info = source.info
    motion = ClipMotion([cv2.resize(frame.image, SMALL, interpolation=cv2.INTER_AREA) for frame in frames])
    ways: dict[str, list[dict[str, object]]] = {"dropping alone": [], "budget": []}
    with load(processes):
        for _ in range(rounds):
            for name, rows in ways.items():
                rows.append(measured(model, frames, info, truths, motion, kept=name == "budget"))
    figures = ("missed_share", "dropped", "late", "p50_ms", "p99_ms", "dice", "flicker")
    report = {
        "machine": describe_machine(),
        "source": f"{uri}, paced",
        "model": model,
        "speckle": SPECKLE,
        "budget_ms": round(1000 / fps, 2),
        "busy_processes": processes,
        "warmup": WARMUP,
        "medians": {name: {figure: median(row[figure] for row in rows) for figure in figures} for name, rows in ways.items()},
        "rounds": ways,
    }
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps(report["medians"], indent=1) + "\n")


if __name__ == "__main__":
    arguments = sys.argv[2:]
    main(Path(sys.argv[1]), *arguments[:1], *map(int, arguments[1:]))
