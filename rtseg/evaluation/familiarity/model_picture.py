"""Turns pictures into inputs of a network, as a session does, with variations of gain, zoom, speckle and side."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from time import perf_counter_ns

import cv2
import numpy as np
import numpy.typing as npt

from rtseg import kernels
from rtseg.engines.base import ModelSpec
from rtseg.engines.input_planes import fill_input
from rtseg.frame import Frame, Image
from rtseg.kernels.network.fit import Box, letterbox
from rtseg.session.sector import SectorFinder

Floats = npt.NDArray[np.float32]
Rng = np.random.Generator

_SMALL_CHANGE = 0.9  # share of the frame from which on its sector is as good as the whole frame
ZOOM = (0.8, 1.25)
SHORT, LONG = 3, 16  # frames of a stream
LONG_EVERY = 3  # pictures
_DRIFT, _BREATH = 0.02, 0.03  # shift as a share of the side, and change of size, at the most, in a stream


@dataclass(frozen=True, slots=True)
class NamedPicture:
    """Holds a picture and where it comes from."""

    group: str
    """The anatomy or the kind."""
    subject: str
    """The person or exam."""
    image: Image
    """(H, W) or (H, W, 3)."""


@dataclass(frozen=True, slots=True)
class ModelPicture:
    """Holds the inputs of a network for one picture and its variations."""

    group: str
    """The anatomy or the kind."""
    subject: str
    """The person or exam."""
    firsts: tuple[Floats, ...]
    """Inputs (1, C, H, W) that each begin a stream: the picture, its whole screen, and a variation."""
    stream: tuple[Floats, ...]
    """Inputs of a stream: a variation with speckle that changes from frame to frame."""


def model_pictures(spec: ModelSpec, pictures: Iterable[NamedPicture], rng: Rng) -> Iterator[ModelPicture]:
    """Yield the inputs for each picture; each third one has a long stream, in which a state settles."""
    for number, picture in enumerate(pictures):
        box = _sector_box(picture.image)
        size, whole = picture.image.shape[:2], (0, 0, *picture.image.shape[:2])
        firsts = [_input(spec, picture.image, box)]
        if box[2] * box[3] < _SMALL_CHANGE * size[0] * size[1]:
            firsts.append(_input(spec, picture.image, whole))
        varied = vary(_small(spec, picture.image, box), rng)
        inside = (0, 0, *varied.shape[:2])
        firsts.append(_input(spec, varied, inside))
        frames = LONG if number % LONG_EVERY == 0 else SHORT
        later = [_input(spec, add_speckle(_drifted(varied, index), rng), inside) for index in range(1, frames)]
        yield ModelPicture(picture.group, picture.subject, tuple(firsts), (firsts[-1], *later))


def vary(image: Image, rng: Rng) -> Image:
    """Return a picture as another setting of the scanner shows it: gain, gamma, zoom, side and speckle."""
    levels = np.linspace(0, 1, 256) ** np.exp(rng.normal(0, 0.18)) * 255 * np.exp(rng.normal(0, 0.2)) + rng.uniform(-6, 6)
    varied: Image = np.asarray(cv2.LUT(image, np.clip(levels, 0, 255).astype(np.uint8)), np.uint8)
    varied = varied[:, ::-1] if rng.random() < 0.5 else varied
    return add_speckle(_zoomed(varied, float(np.exp(rng.uniform(*np.log(ZOOM))))), rng, float(rng.uniform(0, 0.15)))


def add_speckle(image: Image, rng: Rng, strength: float = 0.06) -> Image:
    """Return a picture with multiplicative speckle and a little noise of its own."""
    grain = cv2.GaussianBlur(rng.standard_normal(image.shape[:2], np.float32), (0, 0), 1.2)
    factor = 1 + strength * grain / (float(grain.std()) + 1e-6)
    noisy = image * (factor if image.ndim == 2 else factor[..., None]) + rng.normal(0, 1, image.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def _zoomed(image: Image, zoom: float) -> Image:
    """Return the picture enlarged about its center, or smaller on black, in its own size."""
    height, width = image.shape[:2]
    matrix = np.array([[zoom, 0, (1 - zoom) * width / 2], [0, zoom, (1 - zoom) * height / 2]])
    return np.asarray(cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR), np.uint8)


def _drifted(image: Image, index: int) -> Image:
    """Return the picture as a hand and a breath move it by the frame `index` of a stream."""
    height, width = image.shape[:2]
    zoom, phase = 1 + _BREATH * np.sin(index / 5), index / 7
    left = (1 - zoom) * width / 2 + _DRIFT * width * np.sin(phase)
    top = (1 - zoom) * height / 2 + _DRIFT * height * np.sin(2 * phase)
    matrix = np.array([[zoom, 0, left], [0, zoom, top]])
    return np.asarray(cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _sector_box(image: Image) -> Box:
    """Return the box in which a session looks at the first frame of a stream."""
    sector, _ = SectorFinder().observe(Frame(image, 0, perf_counter_ns()))
    return sector.box


def _input(spec: ModelSpec, image: Image, box: Box) -> Floats:
    return np.array(fill_input(spec, np.ascontiguousarray(image), letterbox(box, spec.size)), np.float32)


def _small(spec: ModelSpec, image: Image, box: Box) -> Image:
    """Return the box of a picture at the network's size."""
    fit = letterbox(box, spec.size)
    size = min(fit.inner[2], box[2]), min(fit.inner[3], box[3])
    if spec.channels == 3 and not spec.planes and image.ndim == 3:
        top, left, height, width = box
        part = image[top : top + height, left : left + width]
        return np.asarray(cv2.resize(part, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(kernels.grey_view(np.ascontiguousarray(image), replace(fit, box=box).box, size))
