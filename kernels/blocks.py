"""Whole blocks of a picture averaged: resizing by whole numbers, for loops."""

import numpy as np
import numpy.typing as npt

from rtseg.frame import Image
from rtseg.kernels.cores import compiled, fused
from rtseg.kernels.fit import Box
from rtseg.kernels.resize import BLUE, GREEN, RED, Floats, Normal
from rtseg.kernels.row_sums import MOST_IN_16_BITS, ONE, TWO, add_rows

Sums = npt.NDArray[np.uint16]


def in_blocks(box: Box, inner: Box) -> bool:
    """Whether each output pixel is the mean of one block of whole pixels, of which 16 bits hold the sum."""
    few = box[2] * box[3] <= MOST_IN_16_BITS * inner[2] * inner[3]
    return few and box[2] % inner[2] == box[3] % inner[3] == 0


@compiled
def fit_blocks(
    image: Image,  # (H * W * channels,)
    stride: int,
    box: Box,
    inner: Box,
    normal: Normal,
    memory: tuple[Sums, Sums],  # to work in: a line of (box width * channels,) each
    result: Floats,  # (C, H, W)
    first: int,
    end: int,
) -> None:
    """Rows first..end of the inner box: source rows are added up, then neighbours in the sum.

    Neighbours are added at every place and few of these sums count: vectors take what lies side by side.
    """
    sums, beside = memory
    tall, broad, channels, flat = box[2] // inner[2], box[3] // inner[3], sums.size // box[3], result.reshape(-1)
    blocks = beside[: sums.size - (broad - 1) * channels]
    for y in range(first, end):
        top = np.uint64((box[0] + y * tall) * stride + box[1] * channels)
        add_rows(image, top, np.uint64(stride), np.uint64(tall), sums)
        add_rows(sums, np.uint64(0), np.uint64(channels), np.uint64(broad), blocks)
        for plane in range(result.shape[0]):
            to = (plane * result.shape[1] + inner[0] + y) * result.shape[2] + inner[1]
            _pick(blocks, channels, broad, plane, normal, flat[to : to + inner[3]])


@fused
def _pick(blocks: Sums, channels: int, broad: int, plane: int, normal: Normal, line: Floats) -> None:
    """Write a line of a plane of the result from the sums of its blocks; RGB for one plane becomes grey."""
    gain, shift = normal[0][plane], normal[1][plane] * np.float32(broad)
    red, green, blue = gain * RED, gain * GREEN, gain * BLUE
    step = np.uint64(broad * channels)
    if channels == 3 and normal[0].size == 1:
        for x in range(np.uint64(line.size)):
            at = step * x
            warm = red * np.float32(blocks[at]) + green * np.float32(blocks[at + ONE])
            line[x] = warm + blue * np.float32(blocks[at + TWO]) + shift
    else:
        start = np.uint64(plane if channels == 3 else 0)
        for x in range(np.uint64(line.size)):
            line[x] = gain * np.float32(blocks[start + step * x]) + shift
