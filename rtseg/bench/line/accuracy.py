"""Measures accuracy and temporal stability beside speed, for the benchmarked engine and for its FP32 form."""

import math
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from rtseg.engines.base import Engine
from rtseg.evaluation.evaluate import evaluate
from rtseg.evaluation.metrics import dice
from rtseg.evaluation.temporal_metrics import ClipMotion, compute_temporal_metrics
from rtseg.frame import Frame, Image, Labels, Mask
from rtseg.session.session import Session
from rtseg.session.stabilizer import DEFAULT_TEMPORAL, TemporalOptions
from rtseg.sources import open_source

STABILITY_FRAMES = 100  # first frames of the source; their optical flow is slow to compute
LONG_SIDE_PX = 256  # pixels of the longer side at which temporal stability is measured

Progress = Callable[[str], None]


def compare_accuracy(
    source: str,
    engine: Engine,
    fp32: Engine | None,
    data: Path | None,
    progress: Progress,
    temporal: TemporalOptions | None = DEFAULT_TEMPORAL,
) -> dict[str, Any]:
    """Measure overlap with the ground truth of `data` and temporal stability on the source's first frames.

    fp32: the FP32 form of `engine`, measured too and compared by Dice; None if `engine` is FP32 itself.
    temporal: how the source's masks are stabilized. The masks of `data` are not, because its frames lie far apart.
    Returns tables as plain values, by title. Raises DatasetError, SourceError, EngineError.
    """
    ways = {"this engine": engine} | ({"its FP32 form": fp32} if fp32 else {})
    report: dict[str, Any] = {}
    if data:
        progress("accuracy")
        report["Overlap with the truth"] = {
            f"{way}: {name}": figures for way, one in ways.items() for name, figures in _overlaps(one, data).items()
        }
    progress("steadiness")
    frames = _frames(source)
    labels = {way: _labels(Session(one, temporal=temporal), frames) for way, one in ways.items()}
    motion = ClipMotion([_small(_grey(frame.image), cv2.INTER_AREA) for frame in frames])
    names = engine.spec.classes
    report["Steadiness on the source (it has no truth)"] = {
        f"{way}: {name}": _without_nan(asdict(compute_temporal_metrics(motion, _masks(found, place))))
        for way, found in labels.items()
        for place, name in enumerate(names, start=1)
    }
    if fp32:
        ours, theirs = labels.values()
        report["Dice with the FP32 form, on the source"] = {
            name: _agreement(ours, theirs, place) for place, name in enumerate(names, start=1)
        }
    return report


def _overlaps(engine: Engine, data: Path) -> dict[str, dict[str, Any]]:
    evaluation = evaluate(Session(engine, temporal=None), data, model=engine.spec.name)
    found = {}
    for name in engine.spec.classes:
        summary = evaluation.summary(name)
        found[name] = {
            "images": len(evaluation.images),
            "Dice": summary["dice"]["mean"],
            "Dice, median": summary["dice"]["median"],
            f"HD95, {evaluation.unit}": summary["hd95"]["mean"],
            "missed": summary["missed"],
        }
    return found


def _frames(uri: str) -> list[Frame]:
    with closing(open_source(uri)) as source:
        return list(islice(source, STABILITY_FRAMES))


def _labels(session: Session, frames: Sequence[Frame]) -> list[Labels]:
    return [session.step(frame).labels for frame in frames]


def _masks(labels: Sequence[Labels], place: int) -> list[Mask]:
    return [_small((found == place).view(np.uint8), cv2.INTER_NEAREST) > 0 for found in labels]


def _agreement(ours: Sequence[Labels], theirs: Sequence[Labels], place: int) -> dict[str, float]:
    overlaps = [dice(theirs[i] == place, ours[i] == place) for i in range(len(ours))]
    return {"mean": float(np.mean(overlaps)), "lowest": min(overlaps), "frames": len(overlaps)}


def _small(plane: Image, interpolation: int) -> Image:
    scale = min(1.0, LONG_SIDE_PX / max(plane.shape))
    size = round(plane.shape[1] * scale), round(plane.shape[0] * scale)
    return np.asarray(cv2.resize(plane, size, interpolation=interpolation), np.uint8)


def _grey(image: Image) -> Image:
    return image if image.ndim == 2 else np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


def _without_nan(figures: dict[str, float]) -> dict[str, float | None]:
    return {name.replace("_", " "): value if math.isfinite(value) else None for name, value in figures.items()}
