"""Accepts a quantized or converted engine only if it segments as well as the FP32 engine, also over many frames.

Both engines process the same real frames, each with its own recurrent state, which is reset between subjects. Then both process
one subject's frames, looped forwards and backwards for `ENDURANCE_FRAMES` frames. Rounding errors that accumulate in the
recurrent state appear there as an agreement that falls from loop to loop.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from statistics import fmean
from typing import Any, TypeAlias

from rtseg import kernels
from rtseg.engines.base import Engine
from rtseg.engines.input_planes import fill_input
from rtseg.errors import GateRefusal
from rtseg.evaluation.dataset import Case, scans
from rtseg.evaluation.metrics import dice
from rtseg.frame import Image, Labels
from rtseg.kernels.network.fit import letterbox
from rtseg.session.postprocess import NetworkOutput, apply_anatomy
from rtseg.wall_clock import utc_now

MAX_DICE_LOSS = 0.005  # maximum loss of a class's mean Dice against the ground truth
MAX_DRIFT = 0.005  # maximum fall of the mean Dice between both engines, from the first loop to any later one
ENDURANCE_FRAMES = 300  # recurrent frames of the endurance test
MIN_LOOP_FRAMES = 50  # minimum frames of a loop, for a stable mean
MAX_CLIP_FRAMES = 26  # maximum frames of the looped clip: forwards and backwards they make 50

DiceTriple: TypeAlias = tuple[float, float, float]  # FP32 against ground truth, fast against ground truth, FP32 against fast


@dataclass(frozen=True, slots=True)
class ClassGate:
    """Holds the gate's results for one class."""

    name: str  # of the class
    images: int  # number of images that contain the class, in the ground truth or in a prediction; others do not count
    fp32: float  # mean Dice of the FP32 engine against the ground truth
    fast: float  # mean Dice of the fast engine against the ground truth
    between: float  # mean Dice between both engines
    lowest: float  # lowest Dice between both engines

    @property
    def loss(self) -> float:
        """Return the mean Dice that the fast engine loses against the ground truth."""
        return self.fp32 - self.fast


@dataclass(frozen=True, slots=True)
class GateReport:
    """Holds the results of the gate for a fast engine."""

    model: str  # name of the fast engine
    classes: tuple[ClassGate, ...]
    loops: tuple[float, ...]  # mean Dice between both engines in each loop of the endurance test
    nonfinite: tuple[int, int]  # number of outputs with NaN or infinity, (FP32, fast)
    steps: int  # number of outputs of each engine
    began_at: str | None = None  # wall-clock time at which the gate began, ISO 8601 in UTC; None: unknown

    @property
    def drift(self) -> float:
        """Return the fall of the agreement from the first loop to the worst of the later ones."""
        return self.loops[0] - min(self.loops[1:])

    @property
    def failures(self) -> tuple[str, ...]:
        """Return the reasons for a refusal, each with its numbers; empty if the engine is accepted."""
        found = [problem for each in self.classes if (problem := _class_failure(each))]
        for name, count in zip(("the FP32 engine's", "its"), self.nonfinite, strict=True):
            if count:
                found.append(f"{count} of {name} {self.steps} answers hold NaN or infinity")
        if self.drift > MAX_DRIFT:
            found.append(f"its memory drifts: the agreement falls by {self.drift:.4f}, and {MAX_DRIFT} is allowed")
        return tuple(found)

    def check(self) -> None:
        """Raise GateRefusal unless the engine is accepted."""
        if self.failures:
            raise GateRefusal(
                f"{self.model} is refused: {'; '.join(self.failures)}. Calibrate on more frames (rtseg quantize --frames), "
                f"leave convolutions in float (--float), or run the FP32 model"
            )

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return {
            "model": self.model,
            "began_at": self.began_at,
            "accepted": not self.failures,
            "failures": self.failures,
            "classes": {each.name: asdict(each) | {"loss": each.loss} for each in self.classes},
            "loops": self.loops,
            "drift": self.drift,
            "nonfinite": dict(zip(("fp32", "fast"), self.nonfinite, strict=True)),
            "steps": self.steps,
            "limits": {"loss": MAX_DICE_LOSS, "drift": MAX_DRIFT, "endured_frames": ENDURANCE_FRAMES},
        }


def run_gate(
    fp32: Engine, fast: Engine, cases: Sequence[Case], *, model: str, progress: Callable[[int, int], None] | None = None
) -> GateReport:
    """Compare `fast` with `fp32` on real images and their ground truth; `GateReport.check` gives the verdict.

    model: the fast engine's name in the report. progress: called with (done, all) after each frame.
    Raises GateRefusal if the engines segment different classes, DatasetError, EngineError.
    """
    began_at, classes = utc_now(), fp32.spec.classes
    if fast.spec.classes != classes:
        raise GateRefusal(f"{model} segments {fast.spec.classes} and not {classes}: give the engine that was made of this one")
    pair, tell = _EnginePair(fp32, fast), progress or (lambda _done, _all: None)
    images: list[tuple[DiceTriple | None, ...]] = []
    for found in _measured(pair, cases):
        images.append(found)
        tell(len(images), len(cases) + ENDURANCE_FRAMES)
    agreement: list[float] = []
    clip = _longest_clip(cases)
    for image in islice(cycle((*clip, *clip[-2:0:-1])), ENDURANCE_FRAMES):
        agreement.append(pair.agreement(image))
        tell(len(cases) + len(agreement), len(cases) + ENDURANCE_FRAMES)
    summaries = tuple(_summary(name, [found[place] for found in images]) for place, name in enumerate(classes))
    return GateReport(model, summaries, _loop_means(agreement, len(clip)), pair.nonfinite, pair.steps, began_at)


class _EngineStream:
    """Runs one engine with its recurrent state and counts the outputs that contain NaN or infinity (`nonfinite`)."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self.nonfinite = engine, 0
        self.reset()

    def reset(self) -> None:
        self._state = self._engine.initial_state()

    def step(self, image: Image) -> Labels:
        """Segment a frame like a session, but without resets, which could differ between the two engines."""
        engine, spec = self._engine, self._engine.spec
        fit = letterbox((0, 0, *image.shape[:2]), spec.size)
        x = fill_input(spec, engine.upload(image), fit)
        logits, self._state = engine.infer(x, self._state)
        self.nonfinite += bool(kernels.has_nonfinite(logits))
        labels = engine.download(kernels.argmax_labels(logits, fit, image.shape[:2]))
        return apply_anatomy(labels, spec, NetworkOutput(logits, fit, engine.download))


class _EnginePair:
    """Runs both engines side by side."""

    def __init__(self, fp32: Engine, fast: Engine) -> None:
        self._streams = _EngineStream(fp32), _EngineStream(fast)
        self.classes, self.steps = fp32.spec.classes, 0

    @property
    def nonfinite(self) -> tuple[int, int]:
        fp32, fast = self._streams
        return fp32.nonfinite, fast.nonfinite

    def reset(self) -> None:
        for stream in self._streams:
            stream.reset()

    def step(self, image: Image) -> tuple[Labels, Labels]:
        self.steps += 1
        fp32, fast = (stream.step(image) for stream in self._streams)
        return fp32, fast

    def dices(self, image: Image, truth: Labels) -> tuple[DiceTriple | None, ...]:
        """Return the three Dice values of each class; None if neither the ground truth nor a prediction contains it."""
        fp32, fast = self.step(image)
        return tuple(_dices(truth == label, fp32 == label, fast == label) for label, _ in enumerate(self.classes, start=1))

    def agreement(self, image: Image) -> float:
        """Return the mean over the classes of the Dice between both predictions."""
        fp32, fast = self.step(image)
        return fmean(dice(fp32 == label, fast == label) for label, _ in enumerate(self.classes, start=1))


def _dices(truth: Any, fp32: Any, fast: Any) -> DiceTriple | None:
    present = truth.any() or fp32.any() or fast.any()
    return (dice(truth, fp32), dice(truth, fast), dice(fp32, fast)) if present else None


def _measured(pair: _EnginePair, cases: Sequence[Case]) -> Iterator[tuple[DiceTriple | None, ...]]:
    """Yield the Dice values of each image by class, with resets between subjects."""
    for scan in scans(cases).values():
        pair.reset()
        for case in scan:
            yield pair.dices(*case.image_and_labels(pair.classes))


def _longest_clip(cases: Sequence[Case]) -> list[Image]:
    """Return the first frames of the longest scan."""
    longest = max(scans(cases).values(), key=len)
    return [case.image() for case in longest[:MAX_CLIP_FRAMES]]


def _loop_means(agreement: Sequence[float], frames: int) -> tuple[float, ...]:
    """Return the mean agreement of each complete loop: passes of the clip that together have `MIN_LOOP_FRAMES` or more."""
    turn = max(1, 2 * (frames - 1))
    loop = -(-MIN_LOOP_FRAMES // turn) * turn
    return tuple(fmean(agreement[start : start + loop]) for start in range(0, len(agreement) - loop + 1, loop))


def _summary(name: str, found: Sequence[DiceTriple | None]) -> ClassGate:
    present = [dices for dices in found if dices]
    if not present:
        return ClassGate(name, 0, 0, 0, 0, 0)
    fp32, fast, between = (list(column) for column in zip(*present, strict=True))
    return ClassGate(name, len(present), fmean(fp32), fmean(fast), fmean(between), min(between))


def _class_failure(found: ClassGate) -> str:
    """Return the reason why a class fails the gate, or an empty string."""
    if not found.images:
        return f"no image holds {found.name!r}, so that nothing is known of it"
    if found.loss > MAX_DICE_LOSS:
        fall = f"from {found.fp32:.4f} to {found.fast:.4f}"
        return f"the Dice of {found.name!r} falls {fall}, by {found.loss:.4f}, and {MAX_DICE_LOSS} is allowed"
    return ""
