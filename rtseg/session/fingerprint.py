"""A glance at a frame: small grey pictures of it, cheap enough for every frame, and what they tell of two frames."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.frame import Frame, Image
from rtseg.kernels.network.fit import Box
from rtseg.kernels.runtime.arrays import readable
from rtseg.kernels.runtime.cpu import compiled

FINE, COARSE = (96, 128), (24, 32)  # rows and columns of the two thumbnails of a glance
_SAMPLES = 4  # a side of each cell of a thumbnail: enough to average noise away
_NEAR_FIELD = 0.3  # of the picture's height: a probe in air draws echoes of its own lens there
_BESIDE = 2  # coarse cells: what stands out is compared with what is this far to its left and right
_FEW = 3  # cells that say nothing: a logo, a focus mark
_EVEN = 1e-9  # of a grey level, squared: what rounding makes of an even picture
_DARK = 32  # grey levels: a lost signal's black, or blue

Places = npt.NDArray[np.int64]
Where: TypeAlias = npt.NDArray[np.bool_]
Cells: TypeAlias = npt.NDArray[np.uint8] | npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Glance:
    """What is kept of a frame: its size (H, W), where and when it stood, and two thumbnails of a box of it, grey uint8.

    smooth: the coarse thumbnail, each cell averaged with those about it: what speckle and noise leave. level, detail: the mean
    of the fine one, and how much its cells differ from the mean of those about them, in grey levels.
    """

    shape: tuple[int, int]
    box: Box
    index: int
    captured_ns: int
    fine: Image  # FINE
    coarse: Image  # COARSE
    smooth: Cells  # COARSE
    level: float
    detail: float


def glance(frame: Frame, box: Box | None = None) -> Glance:
    """The thumbnails of a frame, or of a box of it."""
    box = box or (0, 0, frame.height, frame.width)
    fine = thumbnail(frame.image, box, FINE)
    coarse = cv2.resize(fine, COARSE[::-1], interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    smooth = cv2.boxFilter(coarse, cv2.CV_32F, (3, 3)).astype(np.float32, copy=False)
    level, detail = cv2.mean(fine)[0], cv2.norm(fine.astype(np.float32), cv2.boxFilter(fine, cv2.CV_32F, (3, 3)), cv2.NORM_L1)
    shape = frame.height, frame.width
    return Glance(shape, box, frame.index, frame.captured_ns, fine, coarse, smooth, level, detail / fine.size)


def thumbnail(image: Image, box: Box, size: tuple[int, int]) -> Image:
    """A box of a frame as a grey picture of `size` (H, W): the mean of 16 evenly picked pixels a cell.

    It reads what it picks and nothing else: of a large frame that is a fraction.
    """
    rows, columns = _picked(box[0], box[2], size[0]), _picked(box[1], box[3], size[1])
    small = np.empty(size, np.uint8)
    if image.ndim == 2:
        _average_grey(image, rows, columns, np.empty(image.shape[1], np.uint16), small)
    else:
        _average_rgb(image, rows, columns, small)
    return small


@lru_cache(maxsize=64)
def _picked(start: int, length: int, cells: int) -> Places:
    """The pixels of one axis that are looked at, (cells, _SAMPLES)."""
    places = start + np.arange(cells * _SAMPLES) * length // (cells * _SAMPLES)
    return readable(places.reshape(cells, _SAMPLES))


@compiled
def _average_grey(image: Image, rows: Places, columns: Places, sums: npt.NDArray[np.uint16], small: Image) -> None:
    """The four rows of a line of cells are added first, pixel beside pixel: that vectorises, looking pixels up does not."""
    first, end = np.uint64(columns[0, 0]), np.uint64(columns[-1, -1] + 1)  # unsigned places need no look at their sign
    for y in range(small.shape[0]):
        a, b, c, d = image[rows[y, 0]], image[rows[y, 1]], image[rows[y, 2]], image[rows[y, 3]]
        for x in range(first, end):
            sums[x] = np.uint16(a[x]) + np.uint16(b[x]) + np.uint16(c[x]) + np.uint16(d[x])
        for x in range(small.shape[1]):
            total = np.uint32(8)
            for j in range(_SAMPLES):
                total += np.uint32(sums[columns[x, j]])
            small[y, x] = total >> np.uint32(4)


@compiled
def _average_rgb(image: Image, rows: Places, columns: Places, small: Image) -> None:
    """With the BT.601 luma in 14 bits, as OpenCV's."""
    for y in range(small.shape[0]):
        for x in range(small.shape[1]):
            red = green = blue = np.int32(0)
            for i in range(_SAMPLES):
                for j in range(_SAMPLES):
                    row, column = rows[y, i], columns[x, j]
                    red += np.int32(image[row, column, 0])
                    green += np.int32(image[row, column, 1])
                    blue += np.int32(image[row, column, 2])
            small[y, x] = (4899 * red + 9617 * green + 1868 * blue + (1 << 17)) >> 18


def unlikeness(one: Cells, other: Cells) -> float:
    """1 minus the correlation of two thumbnails; 0: the same but for gain and brightness, 1: unrelated, 2: the negative."""
    return 1 - correlation(one, other, np.ones(one.shape, np.bool_)).value


class Correlation(NamedTuple):
    """Of two pictures: its value, 1 where one of them is even; the deviation of each, in grey levels; and the cells counted."""

    value: float
    one: float
    other: float
    cells: int


def correlation(one: Cells, other: Cells, where: Where) -> Correlation:
    """The correlation of two thumbnails where `where` says so."""
    return Correlation(*_correlate(readable(one), readable(other), where))


@compiled
def _correlate(one: Cells, other: Cells, where: Where) -> tuple[float, float, float, int]:
    ones = others = 0.0
    cells = 0
    for y, x in np.ndindex(one.shape):
        if where[y, x]:
            ones, others, cells = ones + float(one[y, x]), others + float(other[y, x]), cells + 1
    mean, another, count = ones / max(cells, 1), others / max(cells, 1), max(cells, 1)
    a = b = together = 0.0
    for y, x in np.ndindex(one.shape):
        if where[y, x]:
            here, there = float(one[y, x]) - mean, float(other[y, x]) - another
            a, b, together = a + here * here, b + there * there, together + here * there
    value = together / math.sqrt(a * b) if min(a, b) > _EVEN * count else 1.0
    return value, math.sqrt(a / count), math.sqrt(b / count), cells


def change(one: Image, other: Image, few: int) -> float:
    """By how many grey levels two thumbnails differ at least in as many as `few` of their cells."""
    counts = cv2.calcHist([cv2.absdiff(one, other)], [0], None, [256], [0, 256]).ravel()
    return 255 - int((np.cumsum(counts[::-1]) >= few).argmax())


def is_air(coarse: Image, levels: float) -> bool:
    """Whether a thumbnail shows a probe without contact, or no picture at all.

    A probe in air shows echoes of its own lens, level with its face, and under them noise: dark against them, and nothing in
    it stands out sideways by as much as `levels`.
    """
    below = round(len(coarse) * _NEAR_FIELD)
    near, deep = _brightest(coarse[:below]), _brightest(coarse[below:])
    return deep < max(near / 2, _DARK) and standing_out(coarse[below:]) < levels


def standing_out(cells: Image) -> float:
    """By how many grey levels the picture's anatomy is brighter than what is to its left and right."""
    levels = cells.astype(np.int16)
    beside = np.maximum(levels[:, : -2 * _BESIDE], levels[:, 2 * _BESIDE :])
    return _brightest(levels[:, _BESIDE:-_BESIDE] - beside)


def _brightest(cells: npt.NDArray[np.integer]) -> float:
    """The largest value, but for a few."""
    return float(np.partition(cells.ravel(), -1 - _FEW)[-1 - _FEW])
