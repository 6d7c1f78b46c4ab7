"""From a frame to a network's input in one pass: crop, colour to grey, resize, normalise.

Grey is BT.601 luma, 0.299 R + 0.587 G + 0.114 B. Each axis is resized for itself, as resize.py says.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import inf, isfinite

import numpy as np

from rtseg.errors import ConfigError
from rtseg.frame import Image
from rtseg.kernels.blocks import fit_blocks, in_blocks
from rtseg.kernels.cases import images
from rtseg.kernels.cores import by_rows, compiled, fused
from rtseg.kernels.fit import Box, Fit, letterbox
from rtseg.kernels.memory import check_fit, check_image, check_out, placed, readable, room
from rtseg.kernels.registry import Case, kernel
from rtseg.kernels.resize import BLUE, GREEN, RED, Floats, Normal, Runs, resize_runs, resize_weights
from rtseg.kernels.row_sums import MOST_IN_16_BITS, ONE, THREE, TWO, Sums, add_rows, add_shares

AT_ONCE = 8  # rows of the result
MARGIN = 16  # columns beside a line, of which nobody takes a share: one would do, but loops like lines that begin evenly


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
    (rows, height), (columns, width) = resize_runs(fit.box[2], fit.inner[2]), resize_runs(fit.box[3], fit.inner[3])
    normal, flat = _normal(tuple(mean), tuple(std), height, width), readable(image).reshape(-1)
    stride = flat.size // image.shape[0]
    wide = np.uint16 if fit.box[2] <= MOST_IN_16_BITS * fit.inner[2] else np.uint32
    line = fit.box[3] * stride // image.shape[1]

    def band(first: int, end: int) -> None:
        if fit.inner[2:] == fit.box[2:]:
            _keep_rows(flat, image.shape[1], stride, fit.box, fit.inner, normal, result[0], first, end)
        elif in_blocks(fit.box, fit.inner):
            sums = np.empty(line, np.uint16), np.empty(line, np.uint16)
            fit_blocks(flat, stride, fit.box, fit.inner, normal, sums, result[0], first, end)
        else:
            lines = np.zeros(len(mean) * AT_ONCE * (fit.box[3] + 2 * MARGIN), np.float32)
            memory = np.empty(line, wide), np.empty(line, np.float32), lines
            _fit_rows(flat, stride, fit.box, fit.inner, rows, columns, normal, memory, result[0], first, end)

    by_rows(fit.inner[2], fit.inner[3] + fit.box[3] * fit.box[2] // fit.inner[2], band)
    _blacken(result[0], fit.inner, mean, std)
    return result


@lru_cache(maxsize=32)
def _normal(mean: tuple[float, ...], std: tuple[float, ...], height: float, width: float) -> Normal:
    """What a sum of whole rows is multiplied by, and what is added before whole columns are; height, width: their weights."""
    gain, shift = height * width / np.asarray(std), -width * np.asarray(mean) / np.asarray(std)
    return readable(gain.astype(np.float32)), readable(shift.astype(np.float32))


@compiled
def _keep_rows(
    image: Image, width: int, stride: int, box: Box, inner: Box, normal: Normal, result: Floats, first: int, end: int
) -> None:
    """Rows first..end where nothing is resized: image (H * W * channels,), result (C, H, W)."""
    channels = stride // width
    start = (box[0] + first) * stride + box[1] * channels
    for plane in range(result.shape[0]):
        to = (plane * result.shape[1] + inner[0] + first) * result.shape[2] + inner[1]
        _normalise(image, start, stride, channels, plane, normal, result.reshape(-1), to, result.shape[2], end - first, box[3])


@compiled
def _fit_rows(
    image: Image,  # (H * W * channels,)
    stride: int,
    box: Box,
    inner: Box,
    rows: Runs,
    columns: Runs,
    normal: Normal,
    memory: tuple[Sums, Floats, Floats],  # to work in: two lines of (box width * channels,), and the planes of AT_ONCE lines
    result: Floats,  # (C, H, W)
    first: int,
    end: int,
) -> None:
    """Rows first..end of the inner box, AT_ONCE together: source rows are added up, then their columns are.

    What is done for each row has flat arrays, since a view of a row costs as much as the work on a short one.
    """
    sums, added, lines = memory
    channels, planes, whole = sums.size // box[3], normal[0].size, box[3] + 2 * MARGIN
    for start in range(first, end, AT_ONCE):
        count, place = min(AT_ONCE, end - start), inner[0] + start
        for k in range(count):
            y = start + k
            top = np.uint64((box[0] + rows[0][y]) * stride + box[1] * channels)
            add_rows(image, top, np.uint64(stride), np.uint64(rows[1][y]), sums)
            as_sums = channels == 1 and rows[2][y] == 0 and rows[3][y] == 0  # three colours are taken apart faster from floats
            if not as_sums:
                add_shares(image, top, np.uint64(stride), np.uint64(rows[1][y]), rows[2][y], rows[3][y], sums, added)
            for plane in range(planes):
                to = (plane * AT_ONCE + k) * whole + MARGIN
                if as_sums:
                    _normalise(sums, 0, 0, channels, plane, normal, lines, to, 0, 1, box[3])
                else:
                    _normalise(added, 0, 0, channels, plane, normal, lines, to, 0, 1, box[3])
        for plane in range(planes):
            from_plane = lines.reshape(planes, AT_ONCE, whole)[plane, :count]
            _add_columns(from_plane, columns, np.uint64(inner[1]), result[plane, place : place + count])


@fused
def _normalise(
    pixels: Image | Sums | Floats,
    start: int,
    stride: int,
    channels: int,
    plane: int,
    normal: Normal,
    lines: Floats,
    to: int,
    step: int,
    rows: int,
    width: int,
) -> None:
    """Write a plane of pixels, times its gain and plus its shift; RGB for one plane becomes grey.

    The first of `rows` rows of `width` pixels begins at `start`, the next `stride` on; lines: at `to`, and `step` on.
    """
    gain, shift = normal[0][plane], normal[1][plane]
    red, green, blue = gain * RED, gain * GREEN, gain * BLUE
    for y in range(rows):
        here, there = np.uint64(start + y * stride), np.uint64(to + y * step)
        if channels == 1:
            for x in range(np.uint64(width)):
                lines[there + x] = gain * np.float32(pixels[here + x]) + shift
        elif normal[0].size == 1:
            for x in range(np.uint64(width)):
                at = here + THREE * x
                warm = red * np.float32(pixels[at]) + green * np.float32(pixels[at + ONE])
                lines[there + x] = warm + blue * np.float32(pixels[at + TWO]) + shift
        else:
            for x in range(np.uint64(width)):
                lines[there + x] = gain * np.float32(pixels[here + THREE * x + np.uint64(plane)]) + shift


@fused
def _add_columns(lines: Floats, columns: Runs, left: np.uint64, result: Floats) -> None:
    """The sums along AT_ONCE lines side by side: one sum alone would wait for each of its own additions.

    Where there are fewer lines, the last one is done several times.
    """
    first, count, head, tail = columns
    last = lines.shape[0] - 1
    a, b, c, d = lines[0], lines[min(1, last)], lines[min(2, last)], lines[min(3, last)]
    e, f, g, h = lines[min(4, last)], lines[min(5, last)], lines[min(6, last)], lines[min(7, last)]
    to_a, to_b, to_c, to_d = result[0], result[min(1, last)], result[min(2, last)], result[min(3, last)]
    to_e, to_f, to_g, to_h = result[min(4, last)], result[min(5, last)], result[min(6, last)], result[min(7, last)]
    for x in range(np.uint64(first.size)):
        before, behind = head[x], tail[x]
        start = np.uint64(first[x] + MARGIN - 1)
        stop = start + np.uint64(count[x]) + ONE
        sum_a, sum_b = before * a[start] + behind * a[stop], before * b[start] + behind * b[stop]
        sum_c, sum_d = before * c[start] + behind * c[stop], before * d[start] + behind * d[stop]
        sum_e, sum_f = before * e[start] + behind * e[stop], before * f[start] + behind * f[stop]
        sum_g, sum_h = before * g[start] + behind * g[stop], before * h[start] + behind * h[stop]
        for i in range(start + ONE, stop):
            sum_a += a[i]
            sum_b += b[i]
            sum_c += c[i]
            sum_d += d[i]
            sum_e += e[i]
            sum_f += f[i]
            sum_g += g[i]
            sum_h += h[i]
        to_a[left + x], to_b[left + x], to_c[left + x], to_d[left + x] = sum_a, sum_b, sum_c, sum_d
        to_e[left + x], to_f[left + x], to_g[left + x], to_h[left + x] = sum_e, sum_f, sum_g, sum_h


def _blacken(result: Floats, inner: Box, mean: Sequence[float], std: Sequence[float]) -> None:
    """Fill the input (C, H, W) around the inner box with black, normalised."""
    top, left, height, width = inner
    if (height, width) == result.shape[1:]:
        return
    for plane, m, s in zip(result, mean, std, strict=True):
        plane[:top] = plane[top + height :] = np.float32(-m / s)  # a scalar of another type is cast pixel by pixel
        plane[top : top + height, :left] = plane[top : top + height, left + width :] = np.float32(-m / s)
