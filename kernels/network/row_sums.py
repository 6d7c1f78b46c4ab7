"""Adds up rows of an image, or neighbors in a line, in compiled loops for resizing."""

import numpy as np
import numpy.typing as npt

from rtseg.frame import Image
from rtseg.kernels.network.resize import Floats
from rtseg.kernels.runtime.cpu import compiled, fused

Sums = npt.NDArray[np.uint16 | np.uint32]

MAX_UINT16_SUMS = 257  # pixels whose sum fits into 16 bits
ONE, TWO, THREE, FOUR, FIVE = (np.uint64(number) for number in range(1, 6))  # unsigned: an index has no sign to check


@compiled
def add_rows(image: Image | Sums | Floats, top: np.uint64, stride: np.uint64, count: np.uint64, sums: Sums | Floats) -> None:
    """Add up `count` rows, which start at `top` and then every `stride` elements.

    image: (H * W * channels,), or one line, whose neighbors are rows with a stride of 1. sums: the result. Up to seven rows are
    added in one pass, so that most sums are written once.
    """
    if count < FOUR:
        _add_few(image, top, stride, count, sums)
        return
    _add_more(image, top, stride, count % FOUR, sums)
    for done in range(FOUR + count % FOUR, count, FOUR):
        a = top + done * stride
        b, c, d = a + stride, a + TWO * stride, a + THREE * stride
        for x in range(np.uint64(sums.size)):
            sums[x] += image[a + x] + image[b + x] + image[c + x] + image[d + x]


@compiled
def _add_few(image: Image | Sums | Floats, a: np.uint64, stride: np.uint64, count: np.uint64, sums: Sums | Floats) -> None:
    """Add up to three rows."""
    width, b, c = np.uint64(sums.size), a + stride, a + TWO * stride
    if count == 0:
        for x in range(width):
            sums[x] = 0
    elif count == ONE:
        for x in range(width):
            sums[x] = image[a + x]
    elif count == TWO:
        for x in range(width):
            sums[x] = image[a + x] + image[b + x]
    else:
        for x in range(width):
            sums[x] = image[a + x] + image[b + x] + image[c + x]


@compiled
def _add_more(image: Image | Sums | Floats, a: np.uint64, stride: np.uint64, rest: np.uint64, sums: Sums | Floats) -> None:
    """Add four rows and `rest`, 0 to 3, more."""
    width, b, c, d = np.uint64(sums.size), a + stride, a + TWO * stride, a + THREE * stride
    e, f, g = d + stride, d + TWO * stride, d + THREE * stride
    if rest == 0:
        for x in range(width):
            sums[x] = image[a + x] + image[b + x] + image[c + x] + image[d + x]
    elif rest == ONE:
        for x in range(width):
            sums[x] = image[a + x] + image[b + x] + image[c + x] + image[d + x] + image[e + x]
    elif rest == TWO:
        for x in range(width):
            sums[x] = image[a + x] + image[b + x] + image[c + x] + image[d + x] + image[e + x] + image[f + x]
    else:
        for x in range(width):
            four = image[a + x] + image[b + x] + image[c + x] + image[d + x]
            sums[x] = four + image[e + x] + image[f + x] + image[g + x]


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
    """Write `sums` plus shares of two more rows to `added`.

    sums: of `count` rows from `top` on, by `add_rows`. head, tail: the shares of the row above them and of the row below.
    """
    above, below = top - stride if head else top, top + count * stride if tail else top
    for x in range(np.uint64(added.size)):
        shares = head * np.float32(image[above + x]) + tail * np.float32(image[below + x])
        added[x] = np.float32(sums[x]) + shares
