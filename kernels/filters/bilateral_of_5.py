"""Filters rows bilaterally with the disk of diameter 5, which has 13 pixels, for the default of `bilateral` on the CPU."""

import numpy as np
import numpy.typing as npt

from rtseg.frame import Image
from rtseg.kernels.filters.fast_exp import fast_exp_16x
from rtseg.kernels.runtime.cpu import allocating, compiled, fused

Floats = npt.NDArray[np.float32]

BLOCK = 512  # pixels of a row per pass, so that the scratch memory stays in the L1 cache
ROWS, WIDE = 16, np.uint64(BLOCK + 32)
TOP, UP, HERE, DOWN, BOTTOM = (np.uint64(row * int(WIDE)) for row in range(5))
BESIDE, BEYOND, UNDER, OVER, FAR_UNDER, FAR_BETWEEN, FAR_OVER, RIGHT_UNDER, LEFT_OVER, LEFT_UNDER, RIGHT_OVER = (
    np.uint64(row * int(WIDE)) for row in range(5, 16)
)
ONE, TWO, THREE, FOUR = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)  # unsigned: an index has no sign to check


@allocating
def filter_rows_of_5(padded: Image, sharpness: np.float32, farness: np.float32, result: Image, first: int, end: int) -> None:
    """Filter rows first..end with the disk of 13 pixels; the weight of a pair is symmetric, so that it is computed once.

    sharpness, farness: -1/16 of the exponent's factors for squared gray levels and for squared pixels. The scratch memory is
    one array with rows at fixed offsets, so that the compiler can prove that they do not overlap.
    """
    near = np.zeros(ROWS * WIDE, np.float32)
    for start in range(0, result.shape[1], BLOCK):
        width = min(BLOCK, result.shape[1] - start)
        for row in range(first, end + 4):
            _shift_rows(near)
            _convert(padded[row, start : start + width + 4], near[BOTTOM : BOTTOM + width + 4])
            if row >= first + 2:
                _weigh_pairs(near, np.uint64(width + 4), sharpness, farness)
            if row >= first + 4:
                _average(near, result[row - 4, start : start + width])


@compiled
def _shift_rows(near: Floats) -> None:
    """Shift the scratch rows by one image row."""
    for x in range(FOUR * WIDE):
        near[x] = near[x + WIDE]
    for x in range(WIDE):
        near[OVER + x] = near[UNDER + x]
        near[LEFT_OVER + x] = near[RIGHT_UNDER + x]
        near[RIGHT_OVER + x] = near[LEFT_UNDER + x]
        near[FAR_OVER + x] = near[FAR_BETWEEN + x]
        near[FAR_BETWEEN + x] = near[FAR_UNDER + x]


@fused
def _weigh_pairs(near: Floats, width: np.uint64, sharpness: np.float32, farness: np.float32) -> None:
    """Compute the weights of each pixel of the middle row and its six partners to the right and below."""
    two, four = farness * np.float32(2), farness * np.float32(4)
    for x in range(width):
        value = near[HERE + x]
        near[BESIDE + x] = _pair_weight(value, near[HERE + ONE + x], sharpness, farness)
        near[BEYOND + x] = _pair_weight(value, near[HERE + TWO + x], sharpness, four)
        near[UNDER + x] = _pair_weight(value, near[DOWN + x], sharpness, farness)
        near[FAR_UNDER + x] = _pair_weight(value, near[BOTTOM + x], sharpness, four)
        near[RIGHT_UNDER + x] = _pair_weight(value, near[DOWN + ONE + x], sharpness, two)
        near[LEFT_UNDER + x] = _pair_weight(near[HERE + ONE + x], near[DOWN + x], sharpness, two)  # of the pixel to the right


@fused
def _pair_weight(one: np.float32, other: np.float32, sharpness: np.float32, far: np.float32) -> np.float32:
    difference = one - other
    return fast_exp_16x(difference * difference * sharpness + far)


@fused
def _average(near: Floats, target: Image) -> None:
    """Write the weighted mean of each pixel of the middle row; `near` has two more columns on the left."""
    for x in range(np.uint64(target.size)):
        left, middle, right = ONE + x, TWO + x, THREE + x
        above, below = near[HERE + middle], np.float32(1)
        weight = near[BESIDE + middle]
        above, below = above + weight * near[HERE + right], below + weight
        weight = near[BESIDE + left]
        above, below = above + weight * near[HERE + left], below + weight
        weight = near[BEYOND + middle]
        above, below = above + weight * near[HERE + FOUR + x], below + weight
        weight = near[BEYOND + x]
        above, below = above + weight * near[HERE + x], below + weight
        weight = near[UNDER + middle]
        above, below = above + weight * near[DOWN + middle], below + weight
        weight = near[OVER + middle]
        above, below = above + weight * near[UP + middle], below + weight
        weight = near[FAR_UNDER + middle]
        above, below = above + weight * near[BOTTOM + middle], below + weight
        weight = near[FAR_OVER + middle]
        above, below = above + weight * near[TOP + middle], below + weight
        weight = near[RIGHT_UNDER + middle]
        above, below = above + weight * near[DOWN + right], below + weight
        weight = near[LEFT_OVER + left]
        above, below = above + weight * near[UP + left], below + weight
        weight = near[LEFT_UNDER + left]
        above, below = above + weight * near[DOWN + left], below + weight
        weight = near[RIGHT_OVER + middle]
        above, below = above + weight * near[UP + right], below + weight
        target[x] = np.uint8(above / below + np.float32(0.5))


@compiled
def _convert(row: Image, levels: Floats) -> None:
    for x in range(levels.size):
        levels[x] = np.float32(row[x])
