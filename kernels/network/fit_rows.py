"""Fills rows of a network's input from rows of a frame, in compiled loops: copied, shrunk or enlarged, and normalized."""

import numpy as np

from rtseg.frame import Image
from rtseg.kernels.network.fit import Box
from rtseg.kernels.network.resize import Floats, Runs, Taps
from rtseg.kernels.network.resize_row import PADDING, mix, resize_line
from rtseg.kernels.network.row_sums import ONE, THREE, TWO, Sums, add_rows, add_shares
from rtseg.kernels.runtime.arrays import as_read_only
from rtseg.kernels.runtime.cpu import allocating, compiled, fused

Normalization = Floats  # (3, planes): the gain, the shift, and the normalized value of black
RED, GREEN, BLUE = np.float32(0.299), np.float32(0.587), np.float32(0.114)  # BT.601 luma

Plan = tuple[
    Box, Box, Runs, Taps, Normalization
]  # constant over a stream: box, inner box, row weights, column weights, normalization


def normalization_table(mean: tuple[float, ...], std: tuple[float, ...], height: float, width: float) -> Normalization:
    """Return the gain of a sum of whole rows, the shift before whole columns are added, and black: (3, planes) float32.

    height, width: the weights of a whole row and of a whole column.
    """
    black = -np.asarray(mean) / np.asarray(std)
    return as_read_only(np.stack([height * width / np.asarray(std), width * black, black]).astype(np.float32))


@fused
def normalize(
    pixels: Image | Sums | Floats,
    start: int,
    stride: int,
    channels: int,
    plane: int,
    normal: Normalization,
    lines: Floats,
    to: int,
    step: int,
    rows: int,
    width: int,
) -> None:
    """Write a plane of pixels, times its gain and plus its shift; RGB becomes gray where there is one plane.

    The first of `rows` rows of `width` pixels starts at `start` in `pixels`, the next ones every `stride`. They are written to
    `lines` from `to` on, every `step`.
    """
    gain, shift = normal[0, plane], normal[1, plane]
    red, green, blue = gain * RED, gain * GREEN, gain * BLUE
    for y in range(rows):
        here, there = np.uint64(start + y * stride), np.uint64(to + y * step)
        if channels == 1:
            for x in range(np.uint64(width)):
                lines[there + x] = gain * np.float32(pixels[here + x]) + shift
        elif normal.shape[1] == 1:
            for x in range(np.uint64(width)):
                at = here + THREE * x
                warm = red * np.float32(pixels[at]) + green * np.float32(pixels[at + ONE])
                lines[there + x] = warm + blue * np.float32(pixels[at + TWO]) + shift
        else:
            for x in range(np.uint64(width)):
                lines[there + x] = gain * np.float32(pixels[here + THREE * x + np.uint64(plane)]) + shift


@compiled
def copy_rows(image: Image, channels: int, stride: int, plan: Plan, result: Floats, first: int, end: int) -> None:
    """Write rows first..end of the inner box without resizing.

    image: (H * W * channels,). result: (C, H, W).
    """
    box, inner, _, _, normal = plan
    start = (box[0] + first) * stride + box[1] * channels
    for plane in range(result.shape[0]):
        to = (plane * result.shape[1] + inner[0] + first) * result.shape[2] + inner[1]
        normalize(image, start, stride, channels, plane, normal, result.reshape(-1), to, result.shape[2], end - first, box[3])
    _fill_black(result, inner, normal[2], first, end)


@allocating
def shrink_rows(image: Image, stride: int, plan: Plan, sums: Sums, result: Floats, first: int, end: int) -> None:
    """Write rows first..end of the inner box: add up source rows, then their columns.

    image: (H * W * channels,). sums: (box width * channels,), scratch. result: (C, H, W).
    """
    box, inner, (starts, shares), columns, normal = plan
    channels, added = sums.size // box[3], np.empty(sums.size, np.float32)
    line, runs = np.zeros(box[3] + PADDING, np.float32), np.empty(box[3] + 1 - columns[1], np.float32)
    for y in range(first, end):
        top, tall = np.uint64((box[0] + starts[0, y]) * stride + box[1] * channels), np.uint64(starts[1, y])
        add_rows(image, top, np.uint64(stride), tall, sums)
        shared = shares[0, y] != 0 or shares[1, y] != 0
        if shared:
            add_shares(image, top, np.uint64(stride), tall, shares[0, y], shares[1, y], sums, added)
        for plane in range(result.shape[0]):
            if shared:
                normalize(added, 0, 0, channels, plane, normal, line, 1, 0, 1, box[3])
            else:
                normalize(sums, 0, 0, channels, plane, normal, line, 1, 0, 1, box[3])
            resize_line(line, columns, runs, result[plane, inner[0] + y, inner[1] : inner[1] + inner[3]])
    _fill_black(result, inner, normal[2], first, end)


@allocating
def enlarge_rows(image: Image, channels: int, stride: int, plan: Plan, result: Floats, first: int, end: int) -> None:
    """Write rows first..end of an enlarged inner box: resize the columns of each source row once, then mix two rows."""
    box, inner, (starts, shares), columns, normal = plan
    line, runs = np.zeros(box[3] + PADDING, np.float32), np.empty(box[3] + 1 - columns[1], np.float32)
    resized, held = np.empty((2, result.shape[0], inner[3]), np.float32), np.full(2, -1)  # an even row and an odd one
    here = slice(inner[1], inner[1] + inner[3])
    for y in range(first, end):
        above = starts[0, y] - (shares[0, y] != 0)
        below = above if shares[1, y] == 0 else starts[0, y]
        for row in (above, below):
            if held[row % 2] != row:
                held[row % 2] = row
                for plane in range(result.shape[0]):
                    start = (box[0] + row) * stride + box[1] * channels
                    normalize(image, start, 0, channels, plane, normal, line, 1, 0, 1, box[3])
                    resize_line(line, columns, runs, resized[row % 2, plane])
        for plane in range(result.shape[0]):
            mix(resized[above % 2, plane], resized[below % 2, plane], shares[1, y], result[plane, inner[0] + y, here])
    _fill_black(result, inner, normal[2], first, end)


@compiled
def _fill_black(result: Floats, inner: Box, black: Floats, first: int, end: int) -> None:
    """Fill with black beside rows first..end of the inner box, above its first row and below its last.

    result: (C, H, W). black: one value per plane.
    """
    top, left, height, width = inner
    above, below = 0 if first == 0 else top + first, result.shape[1] if end == height else top + end
    for plane in range(result.shape[0]):
        for y in range(above, below):
            inside = top <= y < top + height
            line = result[plane, y]
            line[: left if inside else line.size] = black[plane]
            line[left + width :] = black[plane]
