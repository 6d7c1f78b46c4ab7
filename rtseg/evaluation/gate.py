"""The gate: a quantised or converted engine is accepted only if it segments as the FP32 one does, for as long as it runs.

Both engines see the same real frames, each with a memory of its own that is kept through a whole subject. Then both see one
subject's frames forwards and backwards, again and again, for ENDURED frames: what a rounded memory gathers would show there as
an agreement that falls from loop to loop.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from statistics import fmean
from typing import Any, TypeAlias

from rtseg import kernels
from rtseg.engines.base import Engine
from rtseg.errors import GateRefusal
from rtseg.evaluation.dataset import Case, scans
from rtseg.evaluation.metrics import dice
from rtseg.frame import Image, Labels
from rtseg.kernels.network.fit import letterbox
from rtseg.session.postprocess import anatomical

LARGEST_LOSS = 0.005  # of a class's mean Dice against the truth
LARGEST_DRIFT = 0.005  # of the mean Dice between both engines, from the first loop to any later one
ENDURED = 300  # recurrent frames
LOOP = 50  # frames at least in a loop, so that its mean is steady
CLIP = 26  # different frames at most in the clip that is looped: there and back again are 50

Dices: TypeAlias = tuple[float, float, float]  # FP32 against the truth, fast against the truth, one against the other


@dataclass(frozen=True, slots=True)
class ClassGate:
    """One class: the mean Dice of either engine against the truth, the mean and the lowest Dice between both.

    images: how many hold the class, in the truth or in an answer; the others say nothing of it.
    """

    name: str
    images: int
    fp32: float
    fast: float
    between: float
    lowest: float

    @property
    def loss(self) -> float:
        """What the fast engine loses against the truth."""
        return self.fp32 - self.fast


@dataclass(frozen=True, slots=True)
class GateReport:
    """The evidence.

    loops: the mean Dice between both engines in each loop of the endured clip. nonfinite: how many of either engine's answers
    held NaN or infinity, FP32 first, of how many steps.
    """

    model: str
    classes: tuple[ClassGate, ...]
    loops: tuple[float, ...]
    nonfinite: tuple[int, int]
    steps: int

    @property
    def drift(self) -> float:
        """How far the agreement falls from the first loop to the worst of the later ones."""
        return self.loops[0] - min(self.loops[1:])

    @property
    def failures(self) -> tuple[str, ...]:
        """Why the engine is refused, by figure; empty where it is accepted."""
        found = [problem for each in self.classes if (problem := _problem(each))]
        for name, count in zip(("the FP32 engine's", "its"), self.nonfinite, strict=True):
            if count:
                found.append(f"{count} of {name} {self.steps} answers hold NaN or infinity")
        if self.drift > LARGEST_DRIFT:
            found.append(f"its memory drifts: the agreement falls by {self.drift:.4f}, and {LARGEST_DRIFT} is allowed")
        return tuple(found)

    def check(self) -> None:
        """Raise GateRefusal unless the engine is accepted."""
        if self.failures:
            raise GateRefusal(
                f"{self.model} is refused: {'; '.join(self.failures)}. Calibrate on more frames (rtseg quantize --frames), "
                f"leave convolutions in float (--float), or run the FP32 model"
            )

    def to_json(self) -> dict[str, Any]:
        """The report as plain values."""
        return {
            "model": self.model,
            "accepted": not self.failures,
            "failures": self.failures,
            "classes": {each.name: asdict(each) | {"loss": each.loss} for each in self.classes},
            "loops": self.loops,
            "drift": self.drift,
            "nonfinite": dict(zip(("fp32", "fast"), self.nonfinite, strict=True)),
            "steps": self.steps,
            "limits": {"loss": LARGEST_LOSS, "drift": LARGEST_DRIFT, "endured_frames": ENDURED},
        }


def gate(
    fp32: Engine, fast: Engine, cases: Sequence[Case], *, model: str, progress: Callable[[int, int], None] | None = None
) -> GateReport:
    """Measure `fast` against `fp32` on real images and their truth.

    model: the fast engine's name in the report. progress: called with (done, all) after each frame. Raises GateRefusal where
    both do not segment the same classes, DatasetError, EngineError.
    """
    classes = fp32.spec.classes
    if fast.spec.classes != classes:
        raise GateRefusal(f"{model} segments {fast.spec.classes} and not {classes}: give the engine that was made of this one")
    pair, tell = _Pair(fp32, fast), progress or (lambda _done, _all: None)
    images: list[tuple[Dices | None, ...]] = []
    for found in _measured(pair, cases):
        images.append(found)
        tell(len(images), len(cases) + ENDURED)
    agreement: list[float] = []
    clip = _clip(cases)
    for image in islice(cycle((*clip, *clip[-2:0:-1])), ENDURED):
        agreement.append(pair.agreement(image))
        tell(len(cases) + len(agreement), len(cases) + ENDURED)
    summaries = tuple(_summary(name, [found[place] for found in images]) for place, name in enumerate(classes))
    return GateReport(model, summaries, _loops(agreement, len(clip)), pair.nonfinite, pair.steps)


class _Stream:
    """One engine with the memory of what it has seen; nonfinite: how many of its answers held NaN or infinity."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self.nonfinite = engine, 0
        self.reset()

    def reset(self) -> None:
        self._state = self._engine.initial_state()

    def step(self, image: Image) -> Labels:
        """Segment as a session does, but for the life of the memory: nothing resets it that one engine may see otherwise."""
        engine, spec = self._engine, self._engine.spec
        fit = letterbox((0, 0, *image.shape[:2]), spec.size)
        x = kernels.fit_input(engine.upload(image), fit, spec.mean, spec.std)
        logits, self._state = engine.infer(x, self._state)
        self.nonfinite += bool(kernels.has_nonfinite(logits))
        labels = engine.download(kernels.argmax_labels(logits, fit, image.shape[:2]))
        return anatomical(labels, spec)


class _Pair:
    """Both engines side by side."""

    def __init__(self, fp32: Engine, fast: Engine) -> None:
        self._streams = _Stream(fp32), _Stream(fast)
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

    def dices(self, image: Image, truth: Labels) -> tuple[Dices | None, ...]:
        """For each class, None where neither the truth nor an answer holds it."""
        fp32, fast = self.step(image)
        return tuple(_dices(truth == label, fp32 == label, fast == label) for label, _ in enumerate(self.classes, start=1))

    def agreement(self, image: Image) -> float:
        """The Dice between both answers, the mean over the classes."""
        fp32, fast = self.step(image)
        return fmean(dice(fp32 == label, fast == label) for label, _ in enumerate(self.classes, start=1))


def _dices(truth: Any, fp32: Any, fast: Any) -> Dices | None:
    present = truth.any() or fp32.any() or fast.any()
    return (dice(truth, fp32), dice(truth, fast), dice(fp32, fast)) if present else None


def _measured(pair: _Pair, cases: Sequence[Case]) -> Iterator[tuple[Dices | None, ...]]:
    """Each image's Dices by class, the memory kept through a subject."""
    for scan in scans(cases).values():
        pair.reset()
        for case in scan:
            yield pair.dices(*case.image_and_labels(len(pair.classes)))


def _clip(cases: Sequence[Case]) -> list[Image]:
    """The first frames of the subject that has the most."""
    longest = max(scans(cases).values(), key=len)
    return [case.image() for case in longest[:CLIP]]


def _loops(agreement: Sequence[float], frames: int) -> tuple[float, ...]:
    """The mean agreement of each whole loop: of as many turns of the clip as make LOOP frames."""
    turn = max(1, 2 * (frames - 1))
    loop = -(-LOOP // turn) * turn
    return tuple(fmean(agreement[start : start + loop]) for start in range(0, len(agreement) - loop + 1, loop))


def _summary(name: str, found: Sequence[Dices | None]) -> ClassGate:
    present = [dices for dices in found if dices]
    if not present:
        return ClassGate(name, 0, 0, 0, 0, 0)
    fp32, fast, between = (list(column) for column in zip(*present, strict=True))
    return ClassGate(name, len(present), fmean(fp32), fmean(fast), fmean(between), min(between))


def _problem(found: ClassGate) -> str:
    """Why a class speaks against the engine, or nothing."""
    if not found.images:
        return f"no image holds {found.name!r}, so that nothing is known of it"
    if found.loss > LARGEST_LOSS:
        fall = f"from {found.fp32:.4f} to {found.fast:.4f}"
        return f"the Dice of {found.name!r} falls {fall}, by {found.loss:.4f}, and {LARGEST_LOSS} is allowed"
    return ""
