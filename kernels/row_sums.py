"""Neighbouring rows of a picture added up: resizing its height, for loops."""

import numpy as np
import numpy.typing as npt

from rtseg.frame import Image
from rtseg.kernels.cores import compiled, fused
from rtseg.kernels.resize import Floats

Sums = npt.NDArray[np.uint16 | np.uint32]

MOST_IN_16_BITS = 257  # pixels that can be added up
ONE, TWO, THREE, FOUR = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)  # unsigned places need no look at their sign


@fused
def add_rows(
    image: Image,
    top: np.uint64,
    stride: np.uint64,
    count: np.uint64,
    head: np.float32,
    tail: np.float32,
    sums: Sums,
    added: Floats,
) -> None:
    """Add up `count` rows, each `stride` behind the one before, and a share of the ones above and below them.

    image: (H * W * channels,), of which the first whole row begins at `top`. sums: to work in, of the size of `added`.
    """
    width = np.uint64(added.size)
    above, below = top - stride if head else top, top + count * stride if tail else top
    if count:
        _sum_whole_rows(image, top, stride, count, sums)
    if head == 0 and tail == 0:
        for x in range(width):
            added[x] = sums[x]
    elif count:
        for x in range(width):
            shares = head * np.float32(image[above + x]) + tail * np.float32(image[below + x])
            added[x] = np.float32(sums[x]) + shares
    else:
        for x in range(width):
            added[x] = head * np.float32(image[above + x]) + tail * np.float32(image[below + x])


@compiled
def _sum_whole_rows(image: Image, top: np.uint64, stride: np.uint64, count: np.uint64, sums: Sums) -> None:
    """Add up rows in integers, four at a time so that the sums are written less often."""
    width, a, rest = np.uint64(sums.size), top, count % FOUR
    b, c = a + stride, a + TWO * stride
    if rest == 0:
        for x in range(width):
            sums[x] = 0
    elif rest == ONE:
        for x in range(width):
            sums[x] = image[a + x]
    elif rest == TWO:
        for x in range(width):
            sums[x] = image[a + x] + image[b + x]
    else:
        for x in range(width):
            sums[x] = image[a + x] + image[b + x] + image[c + x]
    for _ in range(count // FOUR):
        a = top + rest * stride
        b, c, d = a + stride, a + TWO * stride, a + THREE * stride
        for x in range(width):
            sums[x] += image[a + x] + image[b + x] + image[c + x] + image[d + x]
        rest += FOUR
