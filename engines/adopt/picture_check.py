"""Compares what a network finds with the user's pictures and masks, to see whether its input or answer is misread."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from rtseg import kernels
from rtseg.engines.adopt.answer_check import background_remedy
from rtseg.engines.adopt.mean_dice import Pictures, mean_dice
from rtseg.engines.base import Engine
from rtseg.engines.input_planes import fill_input
from rtseg.errors import ModelError
from rtseg.frame import Image, Labels
from rtseg.kernels.network.fit import letterbox
from rtseg.text.log_records import get_logger

MIN_DICE = 0.5  # against the user's masks, as for a normalization that they tell
BETTER = 0.15  # of Dice by which another reading of the network must be better to be named
MIN_DARK = 0.05  # of a picture that must be black for its outside to be judged
BLACK = 8  # gray levels, of the outside of a sector after compression
MIN_OUTSIDE = 0.9  # share of the background in what is black
MIN_SHARE = 0.5  # of all pictures that the background covers
MIN_BORDER = 0.7  # of the outermost pixels that the background covers, to be recognized by them

_log = get_logger(__name__)


@dataclass(frozen=True)
class _Reading:
    """Describes another way to read a network: a change of its picture, or of its labels."""

    remedy: str
    """What to type, or to do, if it is the right one."""
    of_picture: Callable[[Image], Image] | None = None
    """Changes the picture (H, W) or (H, W, 3); None leaves it as it is."""
    of_labels: Callable[[Labels], Labels] = lambda labels: labels
    """Changes the labels (H, W) back to those of the unchanged picture."""


def check_masks(engine: Engine, pictures: Pictures, path: str) -> float:
    """Return the mean Dice of the classes against the masks. Raises ModelError where it is below MIN_DICE.

    So it does where another reading of the network fits the masks clearly better, and names that one.
    """
    found = [_labels(engine, image) for image, _ in pictures]
    dice = mean_dice(found, pictures, len(engine.spec.classes))
    scores = [(_dice_of(engine, pictures, reading, found), reading) for reading in _readings(engine)]
    best, reading = max(scores, key=lambda scored: scored[0])
    if best >= max(MIN_DICE, dice + BETTER):
        raise ModelError(
            f"{path} finds a Dice of {dice:.2f} of what the masks show, and {best:.2f} otherwise: {reading.remedy}"
        )
    if dice >= MIN_DICE:
        return dice
    raise ModelError(
        f"{path} finds a Dice of {dice:.2f} of what the masks show: check --normalization, --axes and --classes, or give "
        f"pictures without masks to adopt it all the same"
    )


def is_background_shown(engine: Engine, pictures: Pictures, path: str, channels: int) -> bool:
    """Return whether pictures without masks show that label 0 is the background, by their border or what is black around them.

    Raises ModelError where it covers too little of the pictures, or of what is black around their sector.
    """
    whole, black, border = ([np.empty(0, bool)] for _ in range(3))
    for image, _ in pictures:
        found = _labels(engine, image) == 0
        whole.append(found.ravel())
        black.append(found[_surround(image)])
        border += [found[0], found[-1], found[:, 0], found[:, -1]]
    everywhere, outside, around = (np.concatenate(parts) for parts in (whole, black, border))
    is_dark = len(outside) >= MIN_DARK * len(everywhere)
    if is_dark and outside.mean() < MIN_OUTSIDE:
        raise _not_shown(engine, path, channels, f"{outside.mean():.0%} of the black around your pictures")
    if everywhere.all():
        _log.warning(
            "%s finds nothing in your pictures, which prove its logits alone: give some that show what it segments", path
        )
        return False
    if everywhere.mean() < MIN_SHARE:
        raise _not_shown(engine, path, channels, f"{everywhere.mean():.0%} of your pictures")
    return bool(is_dark or around.mean() >= MIN_BORDER)


def _not_shown(engine: Engine, path: str, channels: int, where: str) -> ModelError:
    return ModelError(
        f"{path} finds its background in {where} only, so that it may be another channel: "
        f"{background_remedy(channels, engine.spec.classes)}"
    )


def _surround(image: Image) -> npt.NDArray[np.bool_]:
    """Return where a picture (H, W) or (H, W, 3) is black and that reaches its border."""
    dark = (image.max(2) if image.ndim == 3 else image) <= BLACK
    count, regions = cv2.connectedComponents(dark.astype(np.uint8))
    border = np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]])
    reaching = np.zeros(count, bool)
    reaching[border] = True
    reaching[0] = False
    found: npt.NDArray[np.bool_] = reaching[regions]
    return found


def _readings(engine: Engine) -> Iterator[_Reading]:
    """Yield the other ways to read a network that masks can tell apart."""
    swapped = "hw" if engine.spec.layout == "NCWH" else "wh"
    order = "width before height" if swapped == "wh" else "rows first"
    yield _Reading(f"it takes pictures with {order}, say --axes {swapped}", _transposed, _transposed)
    inverted = "it was trained on inverted gray: export it with 255 - x as its first operation"
    yield _Reading(inverted, lambda image: np.asarray(255 - image, np.uint8))
    turned = "its answer is {} to its picture: export it without that"
    yield _Reading(turned.format("upside down"), of_labels=lambda labels: labels[::-1])
    yield _Reading(turned.format("mirrored"), of_labels=lambda labels: labels[:, ::-1])
    yield _Reading(turned.format("turned by 180 degrees"), of_labels=lambda labels: labels[::-1, ::-1])
    yield _Reading(turned.format("transposed"), of_labels=_resized_transpose)
    if engine.spec.channels == 3:
        other = "bgr" if engine.spec.channel_order == "rgb" else "rgb"
        yield _Reading(f"say --channels {other}", lambda image: image[..., ::-1] if image.ndim == 3 else image)
    names = engine.spec.classes
    for place in range(1, len(names) + 1):
        listed = ",".join((*names[:place], "background", *names[place:]))
        yield _Reading(f"its background is not the first channel, say --classes {listed}", of_labels=_with_background(place))
    if len(names) == 1:
        yield _Reading("it gives the background: export it with the probability of what it segments", of_labels=_negated)


def _transposed(image: Image) -> Image:
    return np.ascontiguousarray(image.swapaxes(0, 1))


def _resized_transpose(labels: Labels) -> Labels:
    found = cv2.resize(np.ascontiguousarray(labels.T), labels.shape[::-1], interpolation=cv2.INTER_NEAREST)
    return np.asarray(found, np.uint8)


def _negated(labels: Labels) -> Labels:
    return np.asarray(labels == 0, np.uint8)


def _with_background(place: int) -> Callable[[Labels], Labels]:
    """Return the change of labels for a background at another channel: those before it are one higher."""

    def change(labels: Labels) -> Labels:
        return np.where(labels == place, 0, np.where(labels < place, labels + 1, labels)).astype(np.uint8)

    return change


def _dice_of(engine: Engine, pictures: Pictures, reading: _Reading, found: Sequence[Labels]) -> float:
    """Return the mean Dice of another reading. found: the labels of the unchanged pictures."""
    if reading.of_picture is not None:
        found = [_labels(engine, reading.of_picture(image)) for image, _ in pictures]
    return mean_dice([reading.of_labels(labels) for labels in found], pictures, len(engine.spec.classes))


def _labels(engine: Engine, image: Image) -> Labels:
    fit = letterbox((0, 0, *image.shape[:2]), engine.spec.size)
    logits, _ = engine.infer(fill_input(engine.spec, np.ascontiguousarray(image), fit), engine.initial_state())
    return kernels.argmax_labels(np.array(logits, np.float32), fit, image.shape[:2], threshold=0.5)
