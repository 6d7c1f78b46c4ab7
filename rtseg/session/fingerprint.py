"""Compute a fingerprint of a frame, two small gray thumbnails, and compare the fingerprints of two frames.

A fingerprint takes a fraction of a millisecond, so that every frame gets one.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.frame import Frame, Image
from rtseg.kernels.network.fit import Box
from rtseg.kernels.runtime.arrays import as_read_only
from rtseg.kernels.runtime.cpu import compiled

FINE, COARSE = (96, 128), (24, 32)  # rows and columns of the two thumbnails
_SAMPLES_PER_SIDE = 4  # pixels on each side of a thumbnail's cell: enough to average noise away
_NEAR_FIELD = 0.3  # of the image height: a probe in air shows reverberations of its own lens there
_LATERAL_STEP = 2  # coarse cells: distance to the left and right at which a cell is compared
_OUTLIER_CELLS = 3  # cells to ignore: a logo, a focus mark
_ZERO_VARIANCE = 1e-9  # gray levels squared: the variance that rounding leaves in a constant picture
_DARK_LEVELS = 32  # gray levels: the black or blue of a lost signal

PixelIndices = npt.NDArray[np.int64]  # (cells, 4): row or column indices
CellMask: TypeAlias = npt.NDArray[np.bool_]  # the shape of the compared thumbnails
Cells: TypeAlias = npt.NDArray[np.uint8] | npt.NDArray[np.float32]  # a thumbnail (H, W)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Holds two gray thumbnails of a box of a frame, with statistics of them."""

    shape: tuple[int, int]
    """Size (H, W) of the whole frame."""
    box: Box
    """The part of the frame that the thumbnails show: top, left, height, width."""
    index: int
    """Index of the frame."""
    captured_ns: int
    """Capture time of the frame."""
    fine: Image
    """(96, 128) uint8."""
    coarse: Image
    """(24, 32) uint8."""
    smooth: Cells
    """(24, 32) float32: `coarse` averaged over 3 x 3 cells, which removes speckle and noise."""
    level: float
    """Mean of `fine`, in gray levels."""
    detail: float
    """Mean absolute difference of `fine` from its own 3 x 3 average, in gray levels."""


def fingerprint(frame: Frame, box: Box | None = None) -> Fingerprint:
    """Return the fingerprint of a frame, or of a box of it."""
    box = box or (0, 0, frame.height, frame.width)
    fine = thumbnail(frame.image, box, FINE)
    coarse = cv2.resize(fine, COARSE[::-1], interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    smooth = cv2.boxFilter(coarse, cv2.CV_32F, (3, 3)).astype(np.float32, copy=False)
    level, detail = cv2.mean(fine)[0], cv2.norm(fine.astype(np.float32), cv2.boxFilter(fine, cv2.CV_32F, (3, 3)), cv2.NORM_L1)
    shape = frame.height, frame.width
    return Fingerprint(shape, box, frame.index, frame.captured_ns, fine, coarse, smooth, level, detail / fine.size)


def thumbnail(image: Image, box: Box, size: tuple[int, int]) -> Image:
    """Return a box of a frame as a gray thumbnail of `size` (H, W), uint8.

    Each cell is the mean of 16 evenly spaced pixels; no other pixel of the frame is read.
    """
    rows, columns = _sample_positions(box[0], box[2], size[0]), _sample_positions(box[1], box[3], size[1])
    small = np.empty(size, np.uint8)
    if image.ndim == 2:
        _average_grey(image, rows, columns, np.empty(image.shape[1], np.uint16), small)
    else:
        _average_rgb(image, rows, columns, small)
    return small


@lru_cache(maxsize=64)
def _sample_positions(start: int, length: int, cells: int) -> PixelIndices:
    """Return the sampled positions along one axis, (cells, 4)."""
    places = start + np.arange(cells * _SAMPLES_PER_SIDE) * length // (cells * _SAMPLES_PER_SIDE)
    return as_read_only(places.reshape(cells, _SAMPLES_PER_SIDE))


@compiled
def _average_grey(image: Image, rows: PixelIndices, columns: PixelIndices, sums: npt.NDArray[np.uint16], small: Image) -> None:
    """Average a gray image into `small`; the four rows of a cell are added first, since that loop vectorizes."""
    first, end = np.uint64(columns[0, 0]), np.uint64(columns[-1, -1] + 1)  # unsigned indices need no wrap-around test
    for y in range(small.shape[0]):
        a, b, c, d = image[rows[y, 0]], image[rows[y, 1]], image[rows[y, 2]], image[rows[y, 3]]
        for x in range(first, end):
            sums[x] = np.uint16(a[x]) + np.uint16(b[x]) + np.uint16(c[x]) + np.uint16(d[x])
        for x in range(small.shape[1]):
            total = np.uint32(8)
            for j in range(_SAMPLES_PER_SIDE):
                total += np.uint32(sums[columns[x, j]])
            small[y, x] = total >> np.uint32(4)


@compiled
def _average_rgb(image: Image, rows: PixelIndices, columns: PixelIndices, small: Image) -> None:
    """Average the luma of an RGB image into `small`, with the BT.601 weights in 14 bits, as in OpenCV."""
    for y in range(small.shape[0]):
        for x in range(small.shape[1]):
            red = green = blue = np.int32(0)
            for i in range(_SAMPLES_PER_SIDE):
                for j in range(_SAMPLES_PER_SIDE):
                    row, column = rows[y, i], columns[x, j]
                    red += np.int32(image[row, column, 0])
                    green += np.int32(image[row, column, 1])
                    blue += np.int32(image[row, column, 2])
            small[y, x] = (4899 * red + 9617 * green + 1868 * blue + (1 << 17)) >> 18


def dissimilarity(first: Cells, second: Cells) -> float:
    """Return 1 minus the correlation of two thumbnails of the same shape.

    0: equal up to gain and brightness; 1: unrelated; 2: one is the negative of the other.
    """
    return 1 - correlation(first, second, np.ones(first.shape, np.bool_)).value


class Correlation(NamedTuple):
    """Holds the correlation of two thumbnails."""

    value: float
    """Pearson correlation, -1 to 1; 1 where one of the two is constant."""
    first_deviation: float
    """Standard deviation of the first thumbnail, in gray levels."""
    second_deviation: float
    """Standard deviation of the second thumbnail, in gray levels."""
    cells: int
    """Number of compared cells."""


def correlation(first: Cells, second: Cells, where: CellMask) -> Correlation:
    """Return the correlation of two thumbnails over the cells that are set in `where`."""
    return Correlation(*_correlate(as_read_only(first), as_read_only(second), where))


@compiled
def _correlate(first: Cells, second: Cells, where: CellMask) -> tuple[float, float, float, int]:
    ones = others = 0.0
    cells = 0
    for y, x in np.ndindex(first.shape):
        if where[y, x]:
            ones, others, cells = ones + float(first[y, x]), others + float(second[y, x]), cells + 1
    mean, another, count = ones / max(cells, 1), others / max(cells, 1), max(cells, 1)
    a = b = together = 0.0
    for y, x in np.ndindex(first.shape):
        if where[y, x]:
            here, there = float(first[y, x]) - mean, float(second[y, x]) - another
            a, b, together = a + here * here, b + there * there, together + here * there
    value = together / math.sqrt(a * b) if min(a, b) > _ZERO_VARIANCE * count else 1.0
    return value, math.sqrt(a / count), math.sqrt(b / count), cells


def changed_levels(first: Image, second: Image, min_cells: int) -> float:
    """Return the gray-level difference that at least `min_cells` cells of two thumbnails reach."""
    counts = cv2.calcHist([cv2.absdiff(first, second)], [0], None, [256], [0, 256]).ravel()
    return 255 - int((np.cumsum(counts[::-1]) >= min_cells).argmax())


def is_air(coarse: Image, levels: float) -> bool:
    """Return whether a coarse thumbnail shows a probe without contact, or no picture at all.

    A probe in air shows reverberations of its own lens, parallel to its face. Below them lies noise, which is dark against
    them and has a lateral contrast below `levels` gray levels.
    """
    below = round(len(coarse) * _NEAR_FIELD)
    near, deep = _robust_maximum(coarse[:below]), _robust_maximum(coarse[below:])
    return deep < max(near / 2, _DARK_LEVELS) and lateral_contrast(coarse[below:]) < levels


def lateral_contrast(cells: Image) -> float:
    """Return by how many gray levels structures are brighter than the picture to their left and right."""
    levels = cells.astype(np.int16)
    neighbors = np.maximum(levels[:, : -2 * _LATERAL_STEP], levels[:, 2 * _LATERAL_STEP :])
    return _robust_maximum(levels[:, _LATERAL_STEP:-_LATERAL_STEP] - neighbors)


def _robust_maximum(cells: npt.NDArray[np.integer]) -> float:
    """Return the largest value after ignoring a few outliers."""
    return float(np.partition(cells.ravel(), -1 - _OUTLIER_CELLS)[-1 - _OUTLIER_CELLS])
