"""Compares an adopted network with the original, frame by frame: labels, and logits relative to their variation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rtseg.engines.adopt.answer_conversion import background_first, converted_answer, converted_input
from rtseg.engines.adopt.raw_network import RawNetwork
from rtseg.engines.base import Engine, ModelSpec
from rtseg.engines.input_planes import fill_input
from rtseg.frame import Image
from rtseg.kernels.network.fit import letterbox

RECURRENT_FRAMES = 50  # a network with a memory is compared over this many
SINGLE_FRAMES = 12  # at least, for a network without one
LARGEST_LOGIT = 10.0  # beyond which a probability in 32 bits no longer tells its logit
FEW_PIXELS = 200  # a class of fewer pixels is compared over all such pictures together

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


class Reference(Protocol):
    """Runs the original network in its own framework."""

    framework: str
    """What runs it, as in "torch" or "ONNX Runtime"."""
    has_logits: bool
    """Whether it answers logits; probabilities lose what lies beyond 10."""

    def run(self, x: Floats) -> tuple[Labels, Floats]:
        """Return labels (h, w) and logits (1, K, h, w) of the next frame. x: the normalized picture (1, C, H, W)."""


@dataclass(frozen=True, slots=True)
class ParityResult:
    """Holds how far engines follow the original."""

    frames: int
    """How many frames were compared."""
    dice_min: float
    """See `Certificate`."""
    argmax_share_min: float
    """See `Certificate`."""
    relative_difference_max: float
    """See `Certificate`."""


class RawReference:
    """Runs an original network file as it is; what it answers is decoded apart from the conversion of engines.

    raw: the original. spec: what the examination found about it. zeros: the first states, by input.
    """

    def __init__(self, raw: RawNetwork, spec: ModelSpec, zeros: Mapping[str, npt.NDArray[Any]], framework: str) -> None:
        self._raw, self._spec, self.framework = raw, spec, framework
        self.has_logits = spec.activation == "none"
        self._states = {state.input: zeros[state.input] for state in spec.states}
        self._constants = {name: zeros[name] for name, _ in spec.constants}
        self._frames: list[Floats] = []

    def run(self, x: Floats) -> tuple[Labels, Floats]:
        """Return labels and logits of the next frame."""
        self._frames = [*(self._frames or [x] * self._spec.frames), x][-self._spec.frames :]
        image = converted_input(self._spec, np.concatenate(self._frames, axis=1))
        outputs = self._raw.run({self._spec.image_input: image, **self._states, **self._constants})
        self._states |= {state.input: outputs[state.output] for state in self._spec.updated_states}
        return decoded_labels(self._spec, outputs), converted_answer(self._spec, outputs)


def decoded_labels(spec: ModelSpec, outputs: Mapping[str, npt.NDArray[Any]]) -> Labels:
    """Return the labels (h, w) of a network's own answer, by the rule of its activation."""
    if spec.activation == "yolo":
        return _labels_of(converted_answer(spec, outputs))
    raw = np.asarray(outputs[spec.logits_output])
    axes = spec.output_layout
    order = [axes.index(axis) for axis in ("C", "H", "W") if axis in axes]
    values = np.moveaxis(raw.reshape(raw.shape), order, range(-len(order), 0)).reshape(-1, *(raw.shape[i] for i in order[-2:]))
    if spec.activation == "argmax":
        return _as_labels(background_first(np.rint(values[0]), spec.background))
    middle = {"none": 0.0, "sigmoid": 0.5, "softmax": 0.5, "tanh": 0.0}[spec.activation]
    if len(values) == 1:
        return _as_labels(values[0] > middle)
    if spec.is_multi_label and spec.overlap == "last":
        places = np.arange(1, len(values) + 1).reshape(-1, 1, 1)
        return _as_labels(np.where(values > middle, places, 0).max(0))
    if spec.is_multi_label:
        return _as_labels(np.where(values.max(0) > middle, values.argmax(0) + 1, 0))
    return _as_labels(background_first(values.argmax(0), spec.background))


def _as_labels(values: Any) -> Labels:
    return np.asarray(values, np.int64)


def compare(
    reference: Reference,
    engines: Mapping[str, Engine],
    spec: ModelSpec,
    pictures: Sequence[Image],
    progress: Callable[[], object] = lambda: None,
) -> ParityResult:
    """Return how far engines follow the reference over the pictures, and over generated ones after them."""
    is_recurrent = bool(spec.states) or spec.frames > 1
    wanted = RECURRENT_FRAMES if is_recurrent else max(SINGLE_FRAMES, len(pictures) + 4)
    states = {name: engine.initial_state() for name, engine in engines.items()}
    pairs: dict[str, list[tuple[Labels, Labels]]] = {name: [] for name in engines}
    largest, seen = 0.0, list[Floats]()
    for index in range(wanted):
        image = pictures[index] if index < len(pictures) else generated_picture(index)
        x = fill_input(spec, image, letterbox((0, 0, *image.shape[:2]), spec.size))
        labels, logits = reference.run(x.copy())
        theirs = _comparable(logits, spec.activation == "none" and reference.has_logits)
        seen.append(theirs)
        for name, engine in engines.items():
            ours, states[name] = engine.infer(x, states[name])
            ours = np.asarray(ours, np.float32)
            pairs[name].append((_labels_of(ours), labels))
            ours = _comparable(ours, spec.activation == "none" and reference.has_logits)
            largest = max(largest, float(np.abs(ours - theirs).max()))
        progress()
    compared = [_agreement(one, len(spec.classes)) for one in pairs.values()]
    return ParityResult(wanted, min(c[0] for c in compared), min(c[1] for c in compared), largest / _variation(seen))


def _labels_of(logits: Floats) -> Labels:
    return _as_labels(logits[0, 0] > 0 if logits.shape[1] == 1 else logits[0].argmax(0))


def _comparable(logits: Floats, are_exact: bool) -> Floats:
    """Return logits as they are, or those of probabilities: without the constant that a softmax loses, within 10."""
    if are_exact:
        return logits.copy()
    if logits.shape[1] > 1:
        logits = logits - logits.max(1, keepdims=True)
        logits = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    result: Floats = logits.clip(-LARGEST_LOGIT, LARGEST_LOGIT)
    return result


def _variation(seen: Sequence[Floats]) -> float:
    """Return how much a logit varies between frames: the mean of its standard deviation, which a constant answer lacks."""
    between = float(np.std(np.stack(seen), axis=0).mean())
    return max(between, 1e-3 * float(np.std(np.stack(seen))), 1e-6)


def _agreement(pairs: Sequence[tuple[Labels, Labels]], classes: int) -> tuple[float, float]:
    """Return the least Dice of a class, and the least share of equal labels."""
    dices = [1.0]
    for label in range(1, classes + 1):
        few = [0, 0]
        for ours, theirs in pairs:
            both, total = int(((ours == label) & (theirs == label)).sum()), int((ours == label).sum() + (theirs == label).sum())
            if total < 2 * FEW_PIXELS:
                few[0], few[1] = few[0] + both, few[1] + total
            else:
                dices.append(2 * both / total)
        if few[1]:
            dices.append(2 * few[0] / few[1] if few[1] >= FEW_PIXELS else float(few[1] - 2 * few[0] <= 1))
    return min(dices), min(float((ours == theirs).mean()) for ours, theirs in pairs)


def generated_picture(index: int, size: tuple[int, int] = (240, 320)) -> Image:
    """Return a generated picture (H, W) uint8: dark and bright regions that move with the index, under speckle."""
    rng = np.random.default_rng(index)
    y, x = np.mgrid[: size[0], : size[1]] / size[0]
    tissue = 0.45 + 0.25 * np.sin(5 * y + 0.2 * index) * np.cos(4 * x)
    for place in range(3):
        center = 0.25 + 0.25 * place + 0.04 * np.sin(0.3 * index + place), 0.3 + 0.3 * place + 0.05 * np.cos(0.2 * index)
        inside = ((y - center[0]) / (0.1 + 0.02 * place)) ** 2 + ((x - center[1]) / 0.16) ** 2 < 1
        tissue = np.where(inside, (0.04, 0.95, 0.12)[place], tissue)
    grain = rng.rayleigh(0.8, size)
    picture: Image = np.clip(255 * tissue * (0.4 + 0.6 * grain), 0, 255).astype(np.uint8)
    return picture
