"""Turns a frame into a network's input in one pass: crop, color to gray, resize, normalize.

Gray is BT.601 luma, 0.299 R + 0.587 G + 0.114 B. Each axis is resized separately, as in resize.py.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import inf, isfinite
from typing import Any

import numpy as np

from rtseg.errors import ConfigError
from rtseg.frame import Image
from rtseg.kernels.network.fit import Box, Fit, check_inside, letterbox
from rtseg.kernels.network.resize import Floats, Runs, Taps, resize_runs, resize_taps, resize_weights
from rtseg.kernels.network.resize_row import PADDING, mix, resize_line
from rtseg.kernels.network.row_sums import MAX_UINT16_SUMS, ONE, THREE, TWO, Sums, add_rows, add_shares
from rtseg.kernels.runtime.arrays import as_read_only, check_image, check_out, copy_to_out, out_or_empty
from rtseg.kernels.runtime.cases import images
from rtseg.kernels.runtime.cpu import allocating, compiled, fused, run_row_bands
from rtseg.kernels.runtime.cuda import c_floats, c_ints, launch
from rtseg.kernels.runtime.device_array import out_or_device_array
from rtseg.kernels.runtime.registry import KernelCase, kernel

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


def _cases() -> Iterator[KernelCase]:
    for name, image in images():
        height, width = image.shape[:2]
        for size in [(16, 12), (64, 72)]:
            fit = letterbox((0, 0, height, width), size)
            yield KernelCase(f"{name} to {size} grey", (image, fit, (50.0,), (40.0,)))
            yield KernelCase(f"{name} to {size} rgb", (image, fit, (50.0, 60.0, 70.0), (40.0, 50.0, 60.0)))
        crop = letterbox((height // 3, width // 4, height - height // 3, width - width // 4 - width // 5), (24, 24))
        yield KernelCase(f"{name} cropped", (image, crop, (0.0,), (255.0,)))
        yield KernelCase(f"{name} stretched", (image, Fit((0, 0, height, width), (9, 40), (1, 2, 7, 30)), (0.0,), (255.0,)))
        for down, along in [(3, 2), (2, 3), (3, 4), (4, 5), (16, 16), (17, 16)]:  # the last blocks overflow 16 bits
            box = (0, 0, height // down * down, width // along * along)
            if min(box[2:]):
                fit = Fit(box, (height // down + 1, width // along + 2), (1, 0, height // down, width // along))
                yield KernelCase(f"{name} in blocks of {down}x{along} grey", (image, fit, (50.0,), (40.0,)))
                yield KernelCase(
                    f"{name} in blocks of {down}x{along} rgb", (image, fit, (50.0, 60.0, 70.0), (40.0, 50.0, 60.0))
                )
        yield KernelCase(f"{name} of its own size", (image, letterbox((0, 0, height, width), (height, width)), (9.0,), (40.0,)))
    tall = np.full((2 * (MAX_UINT16_SUMS + 3), 3), 255, np.uint8)
    yield KernelCase("more rows than 16 bits add up", (tall, Fit((0, 0, *tall.shape), (2, 2), (0, 0, 2, 2)), (0.0,), (255.0,)))


def _check(image: Image, fit: Fit, mean: Sequence[float], std: Sequence[float], *, out: Floats | None = None) -> None:
    check_image(image)
    check_inside("the crop", fit.box, image.shape)
    _check_normalization(tuple(mean), tuple(std))
    check_out(out, (1, len(mean), *fit.size), np.float32)


@lru_cache(maxsize=32)  # a stream's values are checked once
def _check_normalization(mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    if (
        len(mean) not in (1, 3)
        or len(mean) != len(std)
        or not all(isfinite(m) and 0 < s < inf for m, s in zip(mean, std, strict=True))
    ):
        raise ConfigError(f"mean {mean} and std {std}: give one positive std and one mean for each of 1 or 3 channels")


@kernel(cases=_cases, atol=1e-4, check=_check)
def fit_input(image: Image, fit: Fit, mean: Sequence[float], std: Sequence[float], *, out: Floats | None = None) -> Floats:
    """Return the part of a frame inside fit.box as a network's input (1, C, H, W) float32, C = len(mean).

    image: (H, W) gray or (H, W, 3) RGB uint8; for C = 1 RGB becomes gray, for C = 3 gray is repeated. mean, std: gray levels
    0 to 255, one per channel; the result is (value - mean) / std, and black outside fit.inner. Raises ImageError, ConfigError.
    """
    top, left, height, width = fit.box
    crop = image[top : top + height, left : left + width].reshape(height, width, -1).astype(np.float64)
    if crop.shape[2] == 3 and len(mean) == 1:
        crop = crop @ np.array([[RED], [GREEN], [BLUE]])
    rows, columns = resize_weights(height, fit.inner[2]), resize_weights(width, fit.inner[3])
    planes = rows @ crop.transpose(2, 0, 1) @ columns.T
    result = np.zeros((1, len(mean), *fit.size))
    result[0, :, fit.inner[0] : fit.inner[0] + fit.inner[2], fit.inner[1] : fit.inner[1] + fit.inner[3]] = planes
    normal = (result - np.reshape(mean, (-1, 1, 1))) / np.reshape(std, (-1, 1, 1))
    return copy_to_out(normal.astype(np.float32), out)


@fit_input.backend("numba")
def _fit_input_numba(
    image: Image, fit: Fit, mean: Sequence[float], std: Sequence[float], *, out: Floats | None = None
) -> Floats:
    result, flat = out_or_empty(out, (1, len(mean), *fit.size), np.float32), as_read_only(image).reshape(-1)
    plan, sums_dtype = _plan(fit.box, fit.inner, tuple(mean), tuple(std))
    channels = flat.size // (image.shape[0] * image.shape[1])
    stride = channels * image.shape[1]

    def band(first: int, end: int) -> None:
        if fit.inner[2:] == fit.box[2:]:
            _copy_rows(flat, channels, stride, plan, result[0], first, end)
        elif fit.inner[2] > fit.box[2]:
            _enlarge_rows(flat, channels, stride, plan, result[0], first, end)
        else:
            sums = np.empty(fit.box[3] * channels, sums_dtype)
            _shrink_rows(flat, stride, plan, sums, result[0], first, end)

    run_row_bands(fit.inner[2], fit.inner[3] + fit.box[3] * fit.box[2] // fit.inner[2], band)
    return result


@lru_cache(maxsize=32)
def _plan(box: Box, inner: Box, mean: tuple[float, ...], std: tuple[float, ...]) -> tuple[Plan, type[np.unsignedinteger]]:
    """Return the values that stay constant over a stream, and the dtype of row sums."""
    (rows, height), (columns, width) = resize_runs(box[2], inner[2]), resize_taps(box[3], inner[3])
    wide = np.uint16 if box[2] <= MAX_UINT16_SUMS * inner[2] else np.uint32
    return (box, inner, rows, columns, normalization_table(mean, std, height, width)), wide


@compiled
def _copy_rows(image: Image, channels: int, stride: int, plan: Plan, result: Floats, first: int, end: int) -> None:
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
def _shrink_rows(image: Image, stride: int, plan: Plan, sums: Sums, result: Floats, first: int, end: int) -> None:
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
def _enlarge_rows(image: Image, channels: int, stride: int, plan: Plan, result: Floats, first: int, end: int) -> None:
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


@fit_input.backend("cuda")
def _fit_input_cuda(image: Image, fit: Fit, mean: Sequence[float], std: Sequence[float], *, out: Floats | None = None) -> Any:
    result = out_or_device_array(out, (1, len(mean), *fit.size), np.float32, image)
    channels = image.shape[2] if len(image.shape) == 3 else 1
    box, inner = c_ints(fit.box), c_ints(fit.inner)
    launch(
        "fit_input", image, image.shape[1], channels, box, inner, *fit.size, c_floats(mean), c_floats(std), len(mean), result
    )
    return result
