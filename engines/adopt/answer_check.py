"""Runs a network on made pictures, to see whether its answer is a segmentation in the place of what causes it.

A file's graph does not tell a denoised picture from logits, a mirrored answer from an upright one, or the channel of the
background. A trained network finds the background outside of a sector, and in most of a sector of speckle without structures;
the eight networks that rtseg ships do. What differs is refused until the user says how to read it.
"""

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.engines.adopt.answer_certainty import LEAST_MEDIAN, SAME_ORDER, follows_brightness, median_probability
from rtseg.engines.base import Engine
from rtseg.engines.input_planes import fill_input
from rtseg.errors import ModelError
from rtseg.frame import Image
from rtseg.kernels.network.fit import letterbox
from rtseg.text.log_records import get_logger

_log = get_logger(__name__)
OUTSIDE_SHARE = 0.9  # least share of the background outside of the sector
INSIDE_SHARE = 0.6  # least share of the background in one of the pictures of speckle
NEGATIVE_SHARE = 0.5  # of the pixels where all channels may be negative: a softmax leaves the mean of its logits unchanged
SAME_PICTURE = 0.7  # of an answer's variance that the picture explains, where it is given back
SAME_GAIN = (0.5, 2.0)  # of the answer over the picture, where it is given back
_GRADED = ("none", "sigmoid", "softmax", "tanh")  # activations whose logits say how sure the network is
NEARLY = 0.01  # of 1, to which probabilities add up
ELSEWHERE = 1.5  # times more change at another place than at that of its cause
_LEVEL = 90  # of gray, as of tissue
_MARGIN = 16  # part of a side by which the edge of the sector is left out, where networks smooth

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]


def check_answer(
    engine: Engine,
    path: str,
    channels: int,
    *,
    is_logits_stated: bool,
    is_background_stated: bool,
    is_segmentation_stated: bool,
) -> None:
    """Raise ModelError where an answer is a picture or unsure, lies elsewhere than its cause, or has its background in doubt.

    channels: of the network's own answer. is_logits_stated: whether the user says that it gives logits. is_background_stated:
    whether the file, the user or the pictures say which channel is the background. is_segmentation_stated: whether the file or
    the user says so.
    """
    image, inside = _sector_picture(engine.spec.size)
    x, logits = _run(engine, image)
    if not is_logits_stated:
        _check_no_picture(engine, path, image, x, logits)
        if not is_segmentation_stated:
            _check_certain(engine, path, image, logits, inside)
    _check_place(engine, path, image, logits)
    if not is_background_stated:
        _check_exclusive(engine, path, logits, inside)
        _check_background(engine, path, channels, logits, inside)


def background_remedy(channels: int, classes: tuple[str, ...]) -> str:
    """Return what to type for a network whose background is in doubt, for messages."""
    if channels > 1:
        return (
            "give --classes with background at its place, as in lumen,background, or first if it is right so, "
            "as in background,lumen"
        )
    return f"export it with the probability of what it segments, or say --classes background,{classes[0]} if it is right so"


def _run(engine: Engine, image: Image) -> tuple[Floats, Floats]:
    """Return the input of a network for a picture, and a copy of its logits (1, K, h, w)."""
    x = fill_input(engine.spec, image, letterbox((0, 0, *image.shape[:2]), engine.spec.size))
    kept = np.array(x, np.float32)
    return kept, np.array(engine.infer(x, engine.initial_state())[0], np.float32)


def _check_no_picture(engine: Engine, path: str, image: Image, x: Floats, logits: Floats) -> None:
    """Raise ModelError where a channel gives the picture back, as networks do that denoise or draw."""
    spec = engine.spec
    if spec.activation not in ("none", "sigmoid"):
        return
    size = logits.shape[:1:-1]
    planes = image[None].astype(np.float32) / 255 if spec.activation == "sigmoid" else x[0]
    for plane in planes:
        shown = cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
        for channel in logits[0]:
            given = 1 / (1 + np.exp(-channel)) if spec.activation == "sigmoid" else channel
            if _is_same_picture(given, shown):
                raise ModelError(
                    f"{path} gives its picture back in {spec.logits_output!r}, as networks do that denoise or draw: give one "
                    f"that segments, or say --activation {spec.activation} if it does so"
                )


def _is_same_picture(given: Floats, shown: Floats) -> bool:
    """Return whether one plane is another but for a moderate gain, a shift and some smoothing."""
    both = float(np.mean((given - given.mean()) * (shown - shown.mean())))
    gain, explained = both / max(float(shown.var()), 1e-9), both * both / max(float(given.var() * shown.var()), 1e-12)
    return SAME_GAIN[0] < gain < SAME_GAIN[1] and explained > SAME_PICTURE


def _check_certain(engine: Engine, path: str, image: Image, logits: Floats, inside: Mask) -> None:
    """Raise ModelError where an answer is sure of nothing, as of an untrained network, an embedding or a filter.

    An answer that is brightness is told alone: a threshold segments, and nothing but masks tells it from more contrast.
    """
    spec = engine.spec
    if spec.activation not in _GRADED:
        return
    if (median := median_probability(logits[0])) < LEAST_MEDIAN:
        raise ModelError(
            f"{path} is sure of nothing in {spec.logits_output!r} (in half of a made picture its class has a probability of "
            f"{median:.2f} or less), as untrained networks and embeddings are: train it, or say --activation {spec.activation} "
            f"if it segments"
        )
    _warn_of_brightness(path, image, logits, inside)


def warn_of_brightness(engine: Engine, path: str) -> None:
    """Log a warning where the answer of a network, which was checked elsewhere, follows the brightness of a made picture."""
    image, inside = _sector_picture(engine.spec.size)
    if engine.spec.activation in _GRADED:
        _warn_of_brightness(path, image, _run(engine, image)[1], inside)


def _warn_of_brightness(path: str, image: Image, logits: Floats, inside: Mask) -> None:
    if (order := follows_brightness(logits[0], image, inside)) > SAME_ORDER:
        _log.warning(
            "%s answers by the brightness of its picture alone (rank correlation %.2f), as a threshold does, or a picture of "
            "more contrast: look at its overlay, or give masks",
            path,
            order,
        )


def _check_place(engine: Engine, path: str, image: Image, logits: Floats) -> None:
    """Raise ModelError where a change of the picture changes the answer elsewhere, as if that were mirrored or turned."""
    height, width = engine.spec.size
    part = slice(height // 8, height // 4), slice(width // 6, width // 3)
    changed, where = image.copy(), np.zeros(engine.spec.size, np.float32)
    changed[part] = 255 - changed[part]
    where[part] = 1
    change = np.abs(_run(engine, changed)[1] - logits).sum((0, 1))
    here = np.asarray(cv2.resize(where, change.shape[::-1], interpolation=cv2.INTER_AREA), np.float32)
    shares = {name: float((change * other).sum()) for name, other in _turned(here)}
    name = max(shares, key=lambda one: shares[one])
    own = float((change * here).sum())
    if shares[name] > ELSEWHERE * own and shares[name] > 0.1 * float(change.sum()):
        raise ModelError(
            f"{path} answers {name} to its picture in {engine.spec.logits_output!r}: export it with its answer in the place of "
            f"what it sees"
        )


def _turned(where: Floats) -> Iterator[tuple[str, Floats]]:
    """Yield the places of a change in an answer that is turned."""
    yield "upside down", where[::-1]
    yield "mirrored", where[:, ::-1]
    yield "turned by 180 degrees", where[::-1, ::-1]
    resized = cv2.resize(np.ascontiguousarray(where.T), where.shape[::-1], interpolation=cv2.INTER_AREA)
    turned = np.asarray(resized, np.float32)
    yield "transposed", turned
    yield "turned by 90 degrees", turned[::-1]
    yield "turned by 270 degrees", turned[:, ::-1]


def _check_exclusive(engine: Engine, path: str, logits: Floats, inside: Mask) -> None:
    """Raise ModelError where the logits of all channels are negative, as those of one sigmoid for each class are."""
    spec = engine.spec
    if spec.activation != "none" or logits.shape[1] == 1 or _are_logarithms(logits[0]):
        return
    share = float((logits[0].max(0) < 0)[_resized(inside, logits.shape[2:])].mean())
    if share > NEGATIVE_SHARE:
        listed = ",".join(f"class{place + 1}" for place in range(logits.shape[1]))
        raise ModelError(
            f"{path} gives negative logits in all channels of {share:.0%} of a made sector, as one sigmoid for each class "
            f"does: say --multi-label --classes {listed} if so, else --classes background,{','.join(spec.classes)}"
        )


def _are_logarithms(logits: Floats) -> bool:
    """Return whether the channels are logarithms of probabilities that add up to 1, as after a LogSoftmax."""
    return bool(np.abs(np.exp(np.minimum(logits, 1)).sum(0) - 1).max() < NEARLY)


def _check_background(engine: Engine, path: str, channels: int, logits: Floats, inside: Mask) -> None:
    """Raise ModelError where nothing shows that label 0 is the background."""
    labels = _labels(logits)
    within = _resized(inside, labels.shape)
    outside = cv2.dilate(within.astype(np.uint8), np.ones((max(3, min(labels.shape) // _MARGIN),) * 2, np.uint8)) == 0
    if (labels[outside] == 0).mean() < OUTSIDE_SHARE:
        raise _misplaced(engine, path, channels, labels[outside], "the black outside of a sector")
    if (labels[within] == 0).mean() >= INSIDE_SHARE:
        return
    speckle = [_labels(_run(engine, picture)[1]) for picture in _even_pictures(engine.spec.size)]
    if all((one == 0).mean() < INSIDE_SHARE for one in speckle):
        raise _misplaced(engine, path, channels, labels[within], "pictures of even speckle")


def _resized(mask: Mask, shape: tuple[int, ...]) -> Mask:
    return np.asarray(cv2.resize(mask.astype(np.uint8), (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST) > 0)


def _labels(logits: Floats) -> npt.NDArray[np.int64]:
    return np.asarray(logits[0, 0] > 0 if logits.shape[1] == 1 else logits[0].argmax(0), np.int64)


def _misplaced(engine: Engine, path: str, channels: int, labels: npt.NDArray[np.int64], where: str) -> ModelError:
    names = engine.spec.classes
    label = int(np.bincount(labels.ravel(), minlength=len(names) + 1)[1:].argmax()) + 1
    share = float((labels == label).mean())
    return ModelError(
        f"{path} finds {names[label - 1]!r} in {share:.0%} of {where}, so that its background may be another one: "
        f"{background_remedy(channels, names)}"
    )


def _sector_picture(size: tuple[int, int]) -> tuple[Image, Mask]:
    """Return a picture (H, W) uint8 of smooth speckle in a sector on black, and where the sector is."""
    y, x = np.mgrid[: size[0], : size[1]] / size[0]
    across = x - size[1] / size[0] / 2
    radius, angle = np.hypot(y + 0.15, across), np.arctan2(across, y + 0.15)
    inside: Mask = (radius > 0.25) & (radius < 1.1) & (np.abs(angle) < 0.6)
    grain = cv2.GaussianBlur(np.random.default_rng(1).rayleigh(0.8, size), (0, 0), 1.2)
    tissue = np.clip(_LEVEL * grain * (0.6 + 0.4 * np.sin(9 * radius)), 0, 255)
    return np.where(inside, tissue, 0).astype(np.uint8), inside


def _even_pictures(size: tuple[int, int]) -> tuple[Image, Image]:
    """Return a gray and a speckled picture (H, W) uint8."""
    speckled = np.clip(_LEVEL * np.random.default_rng(0).rayleigh(0.8, size), 0, 255).astype(np.uint8)
    return np.full(size, _LEVEL, np.uint8), speckled
