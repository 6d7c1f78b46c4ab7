"""One network in several ways: frame by frame, with its memory, and steadied beyond that, on clips whose truth is exact."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import cv2
import numpy as np

from rtseg.engines.base import Array, Engine, ModelSpec, State
from rtseg.errors import ConfigError
from rtseg.frame import Image, Labels
from rtseg.metrics import dice
from rtseg.session import Session
from rtseg.steadiness import Motion, steadiness
from rtseg.temporal import STEADY, TemporalOptions
from rtseg.temporal_bench.clips import Clip
from rtseg.trace import LatencyTrace

MEASURED_SIDE = 256  # pixels of the longer side


class Memoryless:
    """An engine whose network is given no past."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def spec(self) -> ModelSpec:
        """The network's own."""
        return self._engine.spec

    def initial_state(self) -> State:
        """The memory of nothing."""
        return self._engine.initial_state()

    def upload(self, image: Image) -> Array:
        """As the engine does."""
        return self._engine.upload(image)

    def infer(self, x: Array, state: State) -> tuple[Array, State]:  # noqa: ARG002 - what was before is left out
        """Run the network as on a first frame."""
        return self._engine.infer(x, self._engine.initial_state())

    def download(self, labels: Array) -> Labels:
        """As the engine does."""
        return self._engine.download(labels)

    def close(self) -> None:
        """The engine belongs to somebody else."""


WAYS: dict[str, tuple[bool, TemporalOptions | None]] = {  # with its memory?
    "frame by frame": (False, None),
    "memory": (True, None),
    "frame by frame, steady": (False, STEADY),
    "memory, smoothing 0.8": (True, TemporalOptions(smoothing=0.8)),
    "memory, smoothing 0.8 along the motion": (True, TemporalOptions(smoothing=0.8, flow=True)),
    "memory, hysteresis 1": (True, TemporalOptions(hysteresis=1.0)),
    "memory, hysteresis 1 along the motion": (True, TemporalOptions(hysteresis=1.0, flow=True)),
    "memory, steady": (True, STEADY),
    "memory, every 2nd frame": (True, TemporalOptions(every=2)),
    "memory, every 3rd frame": (True, TemporalOptions(every=3)),
}


def compared(engine: Engine, clips: Sequence[Clip], progress: Callable[[str], None]) -> dict[str, dict[str, Any]]:
    """For each way its mean Dice, the share of frames that the engine ran on, and the measures of steadiness."""
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in WAYS}
    for clip in clips:
        motion = Motion([_shrunk(image) for image in clip.images])
        for name, (remembers, options) in WAYS.items():
            progress(f"{clip.name}: {name}")
            rows[name].append(_measured(engine if remembers else Memoryless(engine), clip, motion, options))
    return {name: {key: _mean([row[key] for row in measured]) for key in measured[0]} for name, measured in rows.items()}


def _measured(engine: Engine, clip: Clip, motion: Motion, options: TemporalOptions | None) -> dict[str, float]:
    if clip.truths is None:
        raise ConfigError(f"{clip.name} has no truth: steadiness is compared on clips that have")
    session, masks, ran = Session(engine, temporal=options), [], 0
    for frame in clip.frames():
        trace = LatencyTrace(frame.captured_ns)
        masks.append(session.step(frame, trace).labels == 1)
        ran += "infer" in trace.stages_ns
    overlap = np.mean([dice(truth, mask) for truth, mask in zip(clip.truths, masks, strict=True)])
    small, true = ([_shrunk(mask.view(np.uint8)) > 0 for mask in sequence] for sequence in (masks, clip.truths))
    return {"dice": float(overlap), "engine_ran": ran / len(masks), **asdict(steadiness(motion, small, true))}


def _shrunk(plane: Image) -> Image:
    """A picture, or a mask of 0 and 1, at the size that steadiness is measured at: flow is slow, and masks are smooth."""
    scale = min(1.0, MEASURED_SIDE / max(plane.shape))
    size = round(plane.shape[1] * scale), round(plane.shape[0] * scale)
    interpolation = cv2.INTER_NEAREST if plane.max() <= 1 else cv2.INTER_AREA
    return np.asarray(cv2.resize(plane, size, interpolation=interpolation), np.uint8)


def _mean(values: list[float]) -> float | None:
    """The mean of what is known, rounded; None where nothing is: JSON has no NaN."""
    known = [value for value in values if np.isfinite(value)]
    return round(float(np.mean(known)), 6) if known else None
