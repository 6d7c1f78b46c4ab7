"""Runs a network on pictures without findings, to see whether its background is the channel that is taken for it.

A trained network finds the background outside of the sector, and in most of a speckled sector without structures; the eight
networks that rtseg ships do. What differs is refused until the user says which channel the background is.
"""

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.engines.base import Engine
from rtseg.engines.input_planes import fill_input
from rtseg.errors import ModelError
from rtseg.frame import Image
from rtseg.kernels.network.fit import letterbox

OUTSIDE_SHARE = 0.9  # least share of the background outside of the sector
INSIDE_SHARE = 0.5  # least share of the background in one of the pictures of speckle
_LEVEL = 90  # of gray, as of tissue
_MARGIN = 16  # part of a side by which the edge of the sector is left out, where networks smooth

Mask = npt.NDArray[np.bool_]
_ClassMap = npt.NDArray[np.int64]


def check_background(engine: Engine, path: str, channels: int) -> None:
    """Raise ModelError where nothing shows that label 0 is the background. channels: of the network's own answer."""
    image, inside = _sector_picture(engine.spec.size)
    labels = class_map(engine, image)
    within = _resized(inside, labels.shape)
    margin = np.ones((max(3, min(labels.shape) // _MARGIN),) * 2, np.uint8)
    outside = cv2.dilate(within.astype(np.uint8), margin) == 0
    if (labels[outside] == 0).mean() < OUTSIDE_SHARE:
        raise _misplaced(engine, path, channels, labels[outside], "the black outside of a sector")
    if (labels[within] == 0).mean() >= INSIDE_SHARE:
        return
    speckle = [class_map(engine, picture) for picture in _even_pictures(engine.spec.size)]
    if all((one == 0).mean() < INSIDE_SHARE for one in speckle):
        raise _misplaced(engine, path, channels, labels[within], "pictures of even speckle")


def class_map(engine: Engine, image: Image) -> _ClassMap:
    """Return the labels (h, w) of one picture at the network's own resolution."""
    spec = engine.spec
    x = fill_input(spec, image, letterbox((0, 0, *image.shape[:2]), spec.size))
    logits = np.asarray(engine.infer(x, engine.initial_state())[0])
    return np.asarray(logits[0, 0] > 0 if logits.shape[1] == 1 else logits[0].argmax(0), np.int64)


def background_remedy(channels: int, classes: tuple[str, ...]) -> str:
    """Return what to type for a network whose background is in doubt, for messages."""
    if channels > 1:
        return (
            "give --classes with background at its place, as in lumen,background, or first if it is right so, "
            "as in background,lumen"
        )
    return f"export it with the probability of what it segments, or say --classes background,{classes[0]} if it is right so"


def _misplaced(engine: Engine, path: str, channels: int, labels: _ClassMap, where: str) -> ModelError:
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


def _resized(mask: Mask, shape: tuple[int, ...]) -> Mask:
    scaled = cv2.resize(mask.astype(np.uint8), (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST)
    return np.asarray(scaled > 0)
