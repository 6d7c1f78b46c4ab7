"""One network in several ways: frame by frame, with its memory, and steadied beyond that, on clips whose truth is known."""

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
    """How a network is run: with its memory or without, and how its masks are steadied beyond that."""

    memory: bool = True
    temporal: TemporalOptions | None = None

    def session(self, engine: Engine) -> Session:
        """A session that runs so; a dataset's images are pictures, not screens."""
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
    """For each way its mean Dice, the share of frames that the engine ran on, and the measures of steadiness.

    A clip's figure is the mean over the classes that its truth holds, and a row's the mean over the clips. The last row is the
    truth taken for a mask: what is left of flicker there is the measure's own. Raises ConfigError, EngineError.
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
    """For each way the Dice and the area, as a share of the frame, of each frame of a clip: what a plot shows."""
    truths, found = _truths(clip), dict[str, dict[str, list[float]]]()
    for name, way in ways.items():
        labels, _ = _run(way.session(engine), clip)
        dices = [round(overlap(one, truth), 4) for one, truth in zip(labels, truths, strict=True)]
        found[name] = {"dice": dices, "area": _areas(labels)}
    return found | {TRUTH: {"dice": [1.0] * len(truths), "area": _areas(truths)}}


def overlap(labels: Labels, truth: Labels) -> float:
    """The mean Dice over the classes that the truth holds; of an empty truth 1 where nothing was found, else 0."""
    present = [label for label in np.unique(truth) if label]
    if not present:
        return float(not labels.any())
    return float(np.mean([dice(truth == label, labels == label) for label in present]))


def _truths(clip: Clip) -> Sequence[Labels]:
    if clip.truths is None:
        raise ConfigError(f"{clip.name} has no truth: steadiness is compared on clips that have")
    return clip.truths


def _run(session: Session, clip: Clip) -> tuple[list[Labels], float]:
    """The labels of each frame, and on which share of them the engine ran."""
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
    """A picture, or labels, at the size that steadiness is measured at: flow is slow, and masks are smooth."""
    scale = min(1.0, MEASURED_SIDE / max(plane.shape))
    size = round(plane.shape[1] * scale), round(plane.shape[0] * scale)
    return np.asarray(cv2.resize(plane, size, interpolation=interpolation), np.uint8)


def _mean_row(rows: Sequence[dict[str, float]]) -> Row:
    """The mean of what is known, rounded; None where nothing is: JSON has no NaN."""
    means = {name: _known_mean([row[name] for row in rows if name in row]) for name in rows[0]}
    return {name: round(value, 6) if np.isfinite(value) else None for name, value in means.items()}


def _known_mean(values: Sequence[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")
