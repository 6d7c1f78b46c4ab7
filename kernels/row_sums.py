"""Neighbouring rows of a picture added up: resizing its height, for loops."""

import numpy as np
import numpy.typing as npt

from rtseg.frame import Image
from rtseg.kernels.cores import compiled, fused
from rtseg.kernels.resize import Floats

Sums = npt.NDArray[np.uint16 | np.uint32]

MOST_IN_16_BITS = 257  # pixels that can be added up
ONE, TWO, THREE, FOUR = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)  # unsigned places need no look at their sign
NONE, ALL = np.uint8(0), np.uint8(255)


@compiled
def add_rows(image: Image, top: np.uint64, stride: np.uint64, count: np.uint64, sums: Sums) -> None:
    """Add up `count` rows in integers, each `stride` behind the one before; the first begins at `top`.

    image: (H * W * channels,). Up to seven rows at a time, so that the sums are written once for most pictures: what there is
    beside fours is masked, for fewer loops.
    """
    width, rest, a = np.uint64(sums.size), count % FOUR, top
    e_is, f_is, g_is = ALL if rest else NONE, ALL if rest > ONE else NONE, ALL if rest > TWO else NONE
    if count <= ONE:
        for x in range(width):
            sums[x] = image[a + x] & e_is
        return
    if count < FOUR:
        e, f, g = top, top + stride if f_is else top, top + TWO * stride if g_is else top
        for x in range(width):
            sums[x] = (image[e + x] & e_is) + (image[f + x] & f_is) + (image[g + x] & g_is)
        return
    b, c, d, after = a + stride, a + TWO * stride, a + THREE * stride, a + FOUR * stride
    e, f, g = after if e_is else a, after + stride if f_is else a, after + TWO * stride if g_is else a
    for x in range(width):
        four = image[a + x] + image[b + x] + image[c + x] + image[d + x]
        sums[x] = four + (image[e + x] & e_is) + (image[f + x] & f_is) + (image[g + x] & g_is)
    for done in range(FOUR + rest, count, FOUR):
        a = top + done * stride
        b, c, d = a + stride, a + TWO * stride, a + THREE * stride
        for x in range(width):
            sums[x] += image[a + x] + image[b + x] + image[c + x] + image[d + x]


@fused
def add_shares(
    image: Image,
    top: np.uint64,
    stride: np.uint64,
    count: np.uint64,
    head: np.float32,
    tail: np.float32,
    sums: Sums,
    added: Floats,
) -> None:
    """Write to `added` the sums of `count` rows, as `add_rows` makes them, and a share of the rows above and below those."""
    above, below = top - stride if head else top, top + count * stride if tail else top
    for x in range(np.uint64(added.size)):
        shares = head * np.float32(image[above + x]) + tail * np.float32(image[below + x])
        added[x] = np.float32(sums[x]) + shares
