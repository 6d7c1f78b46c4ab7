"""Compares variants of one network on clips with ground truth: frame by frame, recurrent, and temporally stabilized."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import cv2
import numpy as np

from rtseg.bench.temporal.clips import Clip
from rtseg.engines.base import Engine
from rtseg.errors import ConfigError
from rtseg.evaluation.metrics import dice
from rtseg.evaluation.temporal_metrics import Motion, steadiness
from rtseg.frame import Image, Labels
from rtseg.session.sector import WholeFrame
from rtseg.session.session import Session
from rtseg.session.stabilizer import STEADY, TemporalOptions
from rtseg.trace import LatencyTrace

MEASURED_SIDE = 256  # pixels of the longer side
ALONE, BARE, STEADIED, TRUTH = "frame by frame", "memory", "memory, steady", "the truth itself"


@dataclass(frozen=True, slots=True)
class Way:
    """Holds how a network is run."""

    memory: bool = True  # carry the recurrent state from frame to frame
    temporal: TemporalOptions | None = None  # temporal stabilization of the masks; None: none

    def session(self, engine: Engine) -> Session:
        """Return a session of this variant without sector search, because dataset images are not screens."""
        session = Session(engine, temporal=self.temporal, locator=WholeFrame())
        session.memory = self.memory
        return session


USUAL_WAYS = {ALONE: Way(memory=False), BARE: Way(), STEADIED: Way(temporal=STEADY)}
WAYS = {
    **USUAL_WAYS,
    "frame by frame, steady": Way(memory=False, temporal=STEADY),
    "memory, smoothing 0.8": Way(temporal=TemporalOptions(smoothing=0.8)),
    "memory, smoothing 0.8 along the motion": Way(temporal=TemporalOptions(smoothing=0.8, flow=True)),
    "memory, hysteresis 1": Way(temporal=TemporalOptions(hysteresis=1.0)),
    "memory, hysteresis 1 along the motion": Way(temporal=TemporalOptions(hysteresis=1.0, flow=True)),
    "memory, every 2nd frame": Way(temporal=TemporalOptions(every=2)),
    "memory, every 3rd frame": Way(temporal=TemporalOptions(every=3)),
}

Row = dict[str, float | None]


def compared(
    engine: Engine, clips: Sequence[Clip], progress: Callable[[str], None], ways: Mapping[str, Way] = WAYS
) -> dict[str, Row]:
    """Return for each variant its mean Dice, the share of frames on which the engine ran, and the temporal metrics.

    A clip's metric is the mean over the classes in its ground truth, and a row holds the means over the clips. The last row
    scores the ground truth itself as a mask: its flicker is the error of the metric. Raises ConfigError, EngineError.
    """
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in [*ways, TRUTH]}
    for clip in clips:
        truths = _truths(clip)
        motion = Motion([_shrunk(image) for image in clip.unspoilt or clip.images])
        rows[TRUTH].append({"engine_ran": 0.0, **_measured(truths, truths, motion)})
        for name, way in ways.items():
            progress(f"{clip.name}: {name}")
            labels, ran = _run(way.session(engine), clip)
            rows[name].append({"engine_ran": ran, **_measured(labels, truths, motion)})
    return {name: _mean_row(found) for name, found in rows.items()}


def curves(engine: Engine, clip: Clip, ways: Mapping[str, Way] = USUAL_WAYS) -> dict[str, dict[str, list[float]]]:
    """Return for each variant the Dice and the area, as a share of the frame, of each frame of a clip, for plotting."""
    truths, found = _truths(clip), dict[str, dict[str, list[float]]]()
    for name, way in ways.items():
        labels, _ = _run(way.session(engine), clip)
        dices = [round(overlap(one, truth), 4) for one, truth in zip(labels, truths, strict=True)]
        found[name] = {"dice": dices, "area": _areas(labels)}
    return found | {TRUTH: {"dice": [1.0] * len(truths), "area": _areas(truths)}}


def overlap(labels: Labels, truth: Labels) -> float:
    """Return the mean Dice over the classes in the ground truth; if it is empty, 1 for empty labels and else 0."""
    present = [label for label in np.unique(truth) if label]
    if not present:
        return float(not labels.any())
    return float(np.mean([dice(truth == label, labels == label) for label in present]))


def _truths(clip: Clip) -> Sequence[Labels]:
    if clip.truths is None:
        raise ConfigError(f"{clip.name} has no truth: steadiness is compared on clips that have")
    return clip.truths


def _run(session: Session, clip: Clip) -> tuple[list[Labels], float]:
    """Return the labels of each frame and the share of frames on which the engine ran."""
    labels, ran = [], 0
    for frame in clip.frames():
        trace = LatencyTrace(frame.captured_ns)
        labels.append(session.step(frame, trace).labels)
        ran += "infer" in trace.stages_ns
    return labels, ran / len(labels)


def _measured(labels: Sequence[Labels], truths: Sequence[Labels], motion: Motion) -> dict[str, float]:
    small, true = ([_shrunk(one, cv2.INTER_NEAREST) for one in sequence] for sequence in (labels, truths))
    classes = np.unique(np.stack(true))
    of = [
        asdict(steadiness(motion, [one == label for one in small], [one == label for one in true]))
        for label in classes[classes > 0]
    ]
    dices = [overlap(one, truth) for one, truth in zip(labels, truths, strict=True)]
    return {"dice": float(np.mean(dices)), **{name: _known_mean([row[name] for row in of]) for name in (of[0] if of else ())}}


def _areas(labels: Sequence[Labels]) -> list[float]:
    return [round(np.count_nonzero(one) / one.size, 5) for one in labels]


def _shrunk(plane: Image, interpolation: int = cv2.INTER_AREA) -> Image:
    """Shrink a picture or labels to the size at which stability is measured, because optical flow is slow."""
    scale = min(1.0, MEASURED_SIDE / max(plane.shape))
    size = round(plane.shape[1] * scale), round(plane.shape[0] * scale)
    return np.asarray(cv2.resize(plane, size, interpolation=interpolation), np.uint8)


def _mean_row(rows: Sequence[dict[str, float]]) -> Row:
    """Return the rounded means over the finite values of each metric, or None without any, because JSON has no NaN."""
    means = {name: _known_mean([row[name] for row in rows if name in row]) for name in rows[0]}
    return {name: round(value, 6) if np.isfinite(value) else None for name, value in means.items()}


def _known_mean(values: Sequence[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")
