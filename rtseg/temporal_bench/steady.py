"""One network in several ways: frame by frame, with its memory, and steadied beyond that, on clips whose truth is exact."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from rtseg.engines.base import Array, Engine, ModelSpec, State
from rtseg.frame import Image, Labels
from rtseg.metrics import dice
from rtseg.session import Session
from rtseg.steadiness import steadiness
from rtseg.temporal import TemporalOptions
from rtseg.temporal_bench.clips import Clip
from rtseg.trace import LatencyTrace


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
    "frame by frame, smoothing 0.8": (False, TemporalOptions(smoothing=0.8)),
    "frame by frame, smoothing 0.8 along the motion": (False, TemporalOptions(smoothing=0.8, flow=True)),
    "memory, smoothing 0.5": (True, TemporalOptions(smoothing=0.5)),
    "memory, smoothing 0.8": (True, TemporalOptions(smoothing=0.8)),
    "memory, smoothing 0.8 along the motion": (True, TemporalOptions(smoothing=0.8, flow=True)),
    "memory, hysteresis 1": (True, TemporalOptions(hysteresis=1.0)),
    "memory, hysteresis 1 along the motion": (True, TemporalOptions(hysteresis=1.0, flow=True)),
    "memory, every 2nd frame": (True, TemporalOptions(every=2)),
    "memory, every 3rd frame": (True, TemporalOptions(every=3)),
}


def compared(engine: Engine, clips: Sequence[Clip], progress: Callable[[str], None]) -> dict[str, dict[str, Any]]:
    """For each way its mean Dice, the share of frames that the engine ran on, and the measures of steadiness."""
    table = {}
    for name, (remembers, options) in WAYS.items():
        progress(f"steadiness: {name}")
        rows = [_measured(engine if remembers else Memoryless(engine), clip, options) for clip in clips if clip.truths]
        table[name] = {key: _mean([row[key] for row in rows]) for key in rows[0]}
    return table


def _measured(engine: Engine, clip: Clip, options: TemporalOptions | None) -> dict[str, float]:
    assert clip.truths is not None
    session, masks, ran = Session(engine, temporal=options), [], 0
    for frame in clip.frames():
        trace = LatencyTrace(frame.captured_ns)
        masks.append(session.step(frame, trace).labels == 1)
        ran += "infer" in trace.stages_ns
    overlap = np.mean([dice(truth, mask) for truth, mask in zip(clip.truths, masks, strict=True)])
    return {"dice": float(overlap), "engine_ran": ran / len(masks), **asdict(steadiness(clip.images, masks, clip.truths))}


def _mean(values: list[float]) -> float | None:
    """The mean of what is known, rounded; None where nothing is: JSON has no NaN."""
    known = [value for value in values if np.isfinite(value)]
    return round(float(np.mean(known)), 6) if known else None
