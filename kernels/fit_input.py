"""From a frame to a network's input in one pass: crop, colour to grey, resize, normalise.

Grey is BT.601 luma, 0.299 R + 0.587 G + 0.114 B. Each axis is resized for itself, as resize.py says.
"""

from collections.abc import Iterator, Sequence
from math import inf, isfinite

import numpy as np

from rtseg.errors import ConfigError
from rtseg.frame import Image
from rtseg.kernels.cases import images
from rtseg.kernels.cores import by_rows, compiled, fused, making
from rtseg.kernels.fit import Box, Fit, letterbox
from rtseg.kernels.memory import check_fit, check_image, check_out, placed, readable, room
from rtseg.kernels.normalise import BLUE, GREEN, RED, Normal, gain_and_shift, normalise
from rtseg.kernels.registry import Case, kernel
from rtseg.kernels.resize import Floats, Runs, Taps, resize_runs, resize_taps, resize_weights
from rtseg.kernels.row_sums import MOST_IN_16_BITS, ONE, Sums, add_rows, add_shares


def _cases() -> Iterator[Case]:
    for name, image in images():
        height, width = image.shape[:2]
        for size in [(16, 12), (64, 72)]:
            fit = letterbox((0, 0, height, width), size)
            yield Case(f"{name} to {size} grey", (image, fit, (50.0,), (40.0,)))
            yield Case(f"{name} to {size} rgb", (image, fit, (50.0, 60.0, 70.0), (40.0, 50.0, 60.0)))
        crop = letterbox((height // 3, width // 4, height - height // 3, width - width // 4 - width // 5), (24, 24))
        yield Case(f"{name} cropped", (image, crop, (0.0,), (255.0,)))
        yield Case(f"{name} stretched", (image, Fit((0, 0, height, width), (9, 40), (1, 2, 7, 30)), (0.0,), (255.0,)))
        for down, along in [(3, 2), (16, 16), (17, 16)]:  # the last are more than 16 bits add up
            box = (0, 0, height // down * down, width // along * along)
            if min(box[2:]):
                fit = Fit(box, (height // down + 1, width // along + 2), (1, 0, height // down, width // along))
                yield Case(f"{name} in blocks of {down}x{along} grey", (image, fit, (50.0,), (40.0,)))
                yield Case(f"{name} in blocks of {down}x{along} rgb", (image, fit, (50.0, 60.0, 70.0), (40.0, 50.0, 60.0)))
        yield Case(f"{name} of its own size", (image, letterbox((0, 0, height, width), (height, width)), (9.0,), (40.0,)))
    tall = np.full((2 * (MOST_IN_16_BITS + 3), 3), 255, np.uint8)
    yield Case("more rows than 16 bits add up", (tall, Fit((0, 0, *tall.shape), (2, 2), (0, 0, 2, 2)), (0.0,), (255.0,)))


def _check(image: Image, fit: Fit, mean: Sequence[float], std: Sequence[float], *, out: Floats | None = None) -> None:
    check_image(image)
    check_fit(fit, image.shape)
    if (
        len(mean) not in (1, 3)
        or len(mean) != len(std)
        or not all(isfinite(m) and 0 < s < inf for m, s in zip(mean, std, strict=True))
    ):
        raise ConfigError(f"mean {mean} and std {std}: give one positive std and one mean for each of 1 or 3 channels")
    check_out(out, (1, len(mean), *fit.size), np.float32)


@kernel(cases=_cases, atol=1e-4, check=_check)
def fit_input(image: Image, fit: Fit, mean: Sequence[float], std: Sequence[float], *, out: Floats | None = None) -> Floats:
    """The part of a frame inside fit.box as a network's input (1, C, H, W) float32, C = len(mean).

    image: (H, W) grey or (H, W, 3) RGB uint8; for C = 1 RGB becomes grey, for C = 3 grey is repeated. mean, std: grey levels
    0..255, one a channel; the result is (value - mean) / std, and black where nothing lands. Raises ImageError, ConfigError.
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
    return placed(normal.astype(np.float32), out)


@fit_input.backend("numba")
def _fit_input_numba(
    image: Image, fit: Fit, mean: Sequence[float], std: Sequence[float], *, out: Floats | None = None
) -> Floats:
    result = room(out, (1, len(mean), *fit.size), np.float32)
    (rows, height), (columns, width) = resize_runs(fit.box[2], fit.inner[2]), resize_taps(fit.box[3], fit.inner[3])
    normal, flat = gain_and_shift(tuple(mean), tuple(std), height, width), readable(image).reshape(-1)
    stride = flat.size // image.shape[0]
    wide = np.uint16 if fit.box[2] <= MOST_IN_16_BITS * fit.inner[2] else np.uint32

    def band(first: int, end: int) -> None:
        if fit.inner[2:] == fit.box[2:]:
            _keep_rows(flat, image.shape[1], stride, fit.box, fit.inner, normal, result[0], first, end)
        else:
            sums = np.empty(fit.box[3] * stride // image.shape[1], wide)
            _fit_rows(flat, stride, fit.box, fit.inner, rows, columns, normal, sums, result[0], first, end)

    by_rows(fit.inner[2], fit.inner[3] + fit.box[3] * fit.box[2] // fit.inner[2], band)
    _blacken(result[0], fit.inner, mean, std)
    return result


@compiled
def _keep_rows(
    image: Image, width: int, stride: int, box: Box, inner: Box, normal: Normal, result: Floats, first: int, end: int
) -> None:
    """Rows first..end where nothing is resized: image (H * W * channels,), result (C, H, W)."""
    channels = stride // width
    start = (box[0] + first) * stride + box[1] * channels
    for plane in range(result.shape[0]):
        to = (plane * result.shape[1] + inner[0] + first) * result.shape[2] + inner[1]
        normalise(image, start, stride, channels, plane, normal, result.reshape(-1), to, result.shape[2], end - first, box[3])


@making
def _fit_rows(
    image: Image,  # (H * W * channels,)
    stride: int,
    box: Box,
    inner: Box,
    rows: Runs,
    columns: Taps,
    normal: Normal,
    sums: Sums,  # to work in: (box width * channels,)
    result: Floats,  # (C, H, W)
    first: int,
    end: int,
) -> None:
    """Rows first..end of the inner box: source rows are added up, then their columns are."""
    channels, whole = sums.size // box[3], np.uint64(columns[1])
    added, line = np.empty(sums.size, np.float32), np.zeros(box[3] + 3, np.float32)
    runs = np.empty(box[3] - columns[1] + 1, np.float32)
    for y in range(first, end):
        top, tall = np.uint64((box[0] + rows[0][y]) * stride + box[1] * channels), np.uint64(rows[1][y])
        add_rows(image, top, np.uint64(stride), tall, sums)
        shared = rows[2][y] != 0 or rows[3][y] != 0
        if shared:
            add_shares(image, top, np.uint64(stride), tall, rows[2][y], rows[3][y], sums, added)
        for plane in range(result.shape[0]):
            if shared:
                normalise(added, 0, 0, channels, plane, normal, line, 1, 0, 1, box[3])
            else:
                normalise(sums, 0, 0, channels, plane, normal, line, 1, 0, 1, box[3])
            target = result[plane, inner[0] + y, inner[1] : inner[1] + inner[3]]
            if columns[1] == 0 and box[3] < inner[3]:
                _blend_two(line, columns, target)
                continue
            add_rows(line, ONE, ONE, whole, runs)
            if box[3] == columns[1] * inner[3]:
                _pick(runs, whole, target)
            else:
                _take(line, runs, columns, target)


@fused
def _take(line: Floats, runs: Floats, columns: Taps, target: Floats) -> None:
    """Each column of the result: a run of whole inputs and the shares beside it.

    line: inputs from its second place on. runs: sums of `columns[1]` inputs, at every place though most are in vain: vectors
    take what lies side by side.
    """
    first, count, before, behind, beyond = columns
    for x in range(np.uint64(target.size)):
        start = np.uint64(first[x])
        after = start + np.uint64(count) + ONE
        target[x] = before[x] * line[start] + runs[start] + behind[x] * line[after] + beyond[x] * line[after + ONE]


@fused
def _blend_two(line: Floats, columns: Taps, target: Floats) -> None:
    """Each column of a wider result: it lies between two inputs."""
    first, _, before, behind, _ = columns
    for x in range(np.uint64(target.size)):
        start = np.uint64(first[x])
        target[x] = before[x] * line[start] + behind[x] * line[start + ONE]


@compiled
def _pick(runs: Floats, whole: np.uint64, target: Floats) -> None:
    """Each column of the result where it is one run of whole inputs."""
    for x in range(np.uint64(target.size)):
        target[x] = runs[whole * x]


def _blacken(result: Floats, inner: Box, mean: Sequence[float], std: Sequence[float]) -> None:
    """Fill the input (C, H, W) around the inner box with black, normalised."""
    top, left, height, width = inner
    if (height, width) == result.shape[1:]:
        return
    for plane, m, s in zip(result, mean, std, strict=True):
        plane[:top] = plane[top + height :] = np.float32(-m / s)  # a scalar of another type is cast pixel by pixel
        plane[top : top + height, :left] = plane[top : top + height, left + width :] = np.float32(-m / s)
