"""Compares variants of one network on clips with ground truth: frame by frame, recurrent, and temporally stabilized."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np

from rtseg.bench.temporal.clips import BenchClip
from rtseg.engines.base import Engine
from rtseg.engines.class_postprocess import ClassPostprocess
from rtseg.errors import ConfigError
from rtseg.evaluation.metrics import dice
from rtseg.evaluation.temporal_metrics import ClipMotion, compute_temporal_metrics
from rtseg.frame import Image, Labels
from rtseg.session.beam_grid import BeamGeometry
from rtseg.session.beam_space import BeamSpaceSession
from rtseg.session.enhancement import ViewFilter
from rtseg.session.sector import Locator, SectorFinder, WholeFrame
from rtseg.session.sector_beams import BeamsOfSector
from rtseg.session.session import Session
from rtseg.session.stabilizer import DEFAULT_TEMPORAL, TemporalOptions
from rtseg.trace import LatencyTrace

LONG_SIDE_PX = 256  # pixels of the longer side
FRAME_BY_FRAME, RECURRENT, STABILIZED, GROUND_TRUTH = "frame by frame", "memory", "memory, steady", "the truth itself"


@dataclass(frozen=True, slots=True)
class PipelineVariant:
    """Holds how a network is run."""

    memory: bool = True
    """Carry the recurrent state from frame to frame."""
    temporal: TemporalOptions | None = None
    """Temporal stabilization of the masks; None: none."""
    enhancement: ViewFilter | None = None
    """Filters of the network's view; None: none."""
    postprocess: tuple[ClassPostprocess, ...] = ()
    """Cleaning of the masks of the classes that it names, instead of the model's own."""
    geometry: BeamGeometry | None = None
    """Of the scan lines on which the network runs; None: it runs on the frames."""

    def session(self, engine: Engine) -> Session:
        """Return a session of this variant.

        There is no sector search, because dataset images are not screens, unless the beams are derived from the sector.
        """
        options: dict[str, Any] = {"temporal": self.temporal, "speckle": self.enhancement, "postprocess": self.postprocess}
        if self.geometry:
            locator: Locator = SectorFinder() if isinstance(self.geometry, BeamsOfSector) else WholeFrame()
            session: Session = BeamSpaceSession(engine, geometry=self.geometry, locator=locator, **options)
        else:
            session = Session(engine, locator=WholeFrame(), **options)
        session.memory = self.memory
        return session

    def to_json(self) -> dict[str, Any]:
        """Return what the user changed of the network's view and masks, for a report; empty without changes."""
        chosen = {
            "enhancement": repr(self.enhancement) if self.enhancement else None,
            "postprocess": [repr(one) for one in self.postprocess] or None,
            "beam_space": repr(self.geometry) if self.geometry else None,
        }
        return {name: value for name, value in chosen.items() if value}


USUAL_VARIANTS = {
    FRAME_BY_FRAME: PipelineVariant(memory=False),
    RECURRENT: PipelineVariant(),
    STABILIZED: PipelineVariant(temporal=DEFAULT_TEMPORAL),
}
VARIANTS = {
    **USUAL_VARIANTS,
    "frame by frame, steady": PipelineVariant(memory=False, temporal=DEFAULT_TEMPORAL),
    "memory, smoothing 0.8": PipelineVariant(temporal=TemporalOptions(smoothing=0.8)),
    "memory, smoothing 0.8 along the motion": PipelineVariant(temporal=TemporalOptions(smoothing=0.8, flow=True)),
    "memory, hysteresis 1": PipelineVariant(temporal=TemporalOptions(hysteresis=1.0)),
    "memory, hysteresis 1 along the motion": PipelineVariant(temporal=TemporalOptions(hysteresis=1.0, flow=True)),
    "memory, every 2nd frame": PipelineVariant(temporal=TemporalOptions(every=2)),
    "memory, every 3rd frame": PipelineVariant(temporal=TemporalOptions(every=3)),
}

VariantMetrics = dict[str, float | None]


def compare_variants(
    engine: Engine,
    clips: Sequence[BenchClip],
    progress: Callable[[str], None],
    variants: Mapping[str, PipelineVariant] = VARIANTS,
) -> dict[str, VariantMetrics]:
    """Return for each variant its mean Dice, the share of frames on which the engine ran, and the temporal metrics.

    A clip's metric is the mean over the classes in its ground truth, and a row holds the means over the clips. The last row
    scores the ground truth itself as a mask: its flicker is the error of the metric. Raises ConfigError, EngineError.
    """
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in [*variants, GROUND_TRUTH]}
    for clip in clips:
        truths = _truths(clip)
        motion = ClipMotion([_shrunk(image) for image in clip.clean_images or clip.images])
        rows[GROUND_TRUTH].append({"engine_ran": 0.0, **_measured(truths, truths, motion)})
        for name, variant in variants.items():
            progress(f"{clip.name}: {name}")
            labels, ran = _run(variant.session(engine), clip)
            rows[name].append({"engine_ran": ran, **_measured(labels, truths, motion)})
    return {name: _mean_row(found) for name, found in rows.items()}


def variant_curves(
    engine: Engine, clip: BenchClip, variants: Mapping[str, PipelineVariant] = USUAL_VARIANTS
) -> dict[str, dict[str, list[float]]]:
    """Return for each variant the Dice and the area, as a share of the frame, of each frame of a clip, for plotting."""
    truths, found = _truths(clip), dict[str, dict[str, list[float]]]()
    for name, variant in variants.items():
        labels, _ = _run(variant.session(engine), clip)
        dices = [round(mean_dice(one, truth), 4) for one, truth in zip(labels, truths, strict=True)]
        found[name] = {"dice": dices, "area": _areas(labels)}
    return found | {GROUND_TRUTH: {"dice": [1.0] * len(truths), "area": _areas(truths)}}


def mean_dice(labels: Labels, truth: Labels) -> float:
    """Return the mean Dice over the classes in the ground truth; if it is empty, 1 for empty labels and else 0."""
    present = [label for label in np.unique(truth) if label]
    if not present:
        return float(not labels.any())
    return float(np.mean([dice(truth == label, labels == label) for label in present]))


def _truths(clip: BenchClip) -> Sequence[Labels]:
    if clip.truths is None:
        raise ConfigError(f"{clip.name} has no truth: steadiness is compared on clips that have")
    return clip.truths


def _run(session: Session, clip: BenchClip) -> tuple[list[Labels], float]:
    """Return the labels of each frame and the share of frames on which the engine ran."""
    labels, ran = [], 0
    for frame in clip.frames():
        trace = LatencyTrace(frame.captured_ns)
        labels.append(session.step(frame, trace).labels)
        ran += "infer" in trace.stages_ns
    return labels, ran / len(labels)


def _measured(labels: Sequence[Labels], truths: Sequence[Labels], motion: ClipMotion) -> dict[str, float]:
    small, true = ([_shrunk(one, cv2.INTER_NEAREST) for one in sequence] for sequence in (labels, truths))
    classes = np.unique(np.stack(true))
    of = [
        asdict(compute_temporal_metrics(motion, [one == label for one in small], [one == label for one in true]))
        for label in classes[classes > 0]
    ]
    dices = [mean_dice(one, truth) for one, truth in zip(labels, truths, strict=True)]
    return {"dice": float(np.mean(dices)), **{name: _finite_mean([row[name] for row in of]) for name in (of[0] if of else ())}}


def _areas(labels: Sequence[Labels]) -> list[float]:
    return [round(np.count_nonzero(one) / one.size, 5) for one in labels]


def _shrunk(plane: Image, interpolation: int = cv2.INTER_AREA) -> Image:
    """Shrink a picture or labels to the size at which stability is measured, because optical flow is slow."""
    scale = min(1.0, LONG_SIDE_PX / max(plane.shape))
    size = round(plane.shape[1] * scale), round(plane.shape[0] * scale)
    return np.asarray(cv2.resize(plane, size, interpolation=interpolation), np.uint8)


def _mean_row(rows: Sequence[dict[str, float]]) -> VariantMetrics:
    """Return the rounded means over the finite values of each metric, or None without any, because JSON has no NaN."""
    means = {name: _finite_mean([row[name] for row in rows if name in row]) for name in rows[0]}
    return {name: round(value, 6) if np.isfinite(value) else None for name, value in means.items()}


def _finite_mean(values: Sequence[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")
