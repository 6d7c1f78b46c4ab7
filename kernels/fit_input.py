"""From a frame to a network's input in one pass: crop, colour to grey, resize, normalise.

Grey is BT.601 luma, 0.299 R + 0.587 G + 0.114 B. Each axis is resized for itself, as resize.py says.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import inf, isfinite

import numpy as np
import numpy.typing as npt

from rtseg.errors import ConfigError
from rtseg.frame import Image
from rtseg.kernels.cases import images
from rtseg.kernels.cores import by_rows, compiled, fused
from rtseg.kernels.fit import Box, Fit, letterbox
from rtseg.kernels.memory import check_fit, check_image, check_out, placed, readable, room
from rtseg.kernels.registry import Case, kernel
from rtseg.kernels.resize import Floats, Runs, resize_runs, resize_weights

Normal = tuple[Floats, Floats]  # by plane: value * gain + shift
Sums = npt.NDArray[np.uint16 | np.uint32]

RED, GREEN, BLUE = np.float32(0.299), np.float32(0.587), np.float32(0.114)  # BT.601 luma
AT_ONCE = 8  # rows of the result
MARGIN = 16  # columns beside a line, of which nobody takes a share: one would do, but loops like lines that begin evenly
MOST_IN_16_BITS = 257  # pixels that can be added up
ONE, TWO, THREE, FOUR = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)  # unsigned places need no look at their sign


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
    normal = _normal(tuple(mean), tuple(std), height * width)
    flat = readable(image).reshape(image.shape[0], -1)
    channels = flat.shape[1] // image.shape[1]
    pixels = fit.box[3] * fit.box[2] // fit.inner[2]  # that are read for one row of the result
    wide = np.uint16 if fit.box[2] <= MOST_IN_16_BITS * fit.inner[2] else np.uint32

    def band(first: int, end: int) -> None:
        sums = np.empty(fit.box[3] * channels, wide)
        _fit_rows(flat, channels, fit.box, fit.inner, rows, columns, normal, sums, result[0], first, end)

    by_rows(fit.inner[2], max(pixels, fit.inner[3]), band)
    _blacken(result[0], fit.inner, normal[1])
    return result


@lru_cache(maxsize=32)
def _normal(mean: tuple[float, ...], std: tuple[float, ...], whole: float) -> Normal:
    """What a sum of whole pixels is multiplied by, and what is added; whole: the weight of such a pixel."""
    gain = readable((whole / np.asarray(std)).astype(np.float32))
    return gain, readable((-np.asarray(mean) / np.asarray(std)).astype(np.float32))


@compiled
def _fit_rows(
    flat: Image,  # (H, W * channels)
    channels: int,
    box: Box,
    inner: Box,
    rows: Runs,
    columns: Runs,
    normal: Normal,
    sums: Sums,  # (box width * channels,) to work in
    result: Floats,  # (C, H, W)
    first: int,
    end: int,
) -> None:
    """Rows first..end of the inner box, AT_ONCE together: source rows are added up, then their columns are."""
    gain, shift = normal
    planes = min(gain.size, channels)
    added = np.empty(sums.size, np.float32)
    lines = np.zeros((AT_ONCE, planes, box[3] + 2 * MARGIN), np.float32)
    fine = np.empty((AT_ONCE, inner[3]), np.float32)
    for start in range(first, end, AT_ONCE):
        count = min(AT_ONCE, end - start)
        for k in range(count):
            y = start + k
            top, left = np.uint64(box[0] + rows[0][y]), np.uint64(box[1] * channels)
            line = added if channels == 3 else lines[k, 0, MARGIN:-MARGIN]
            _add_rows(flat, top, np.uint64(rows[1][y]), rows[2][y], rows[3][y], left, sums, line)
            if channels == 3:
                _spread(added, lines[k])
        for plane in range(gain.size):
            here = plane % planes
            if inner[3] != box[3]:
                _add_columns(lines, here, columns, fine)
            for k in range(count):
                ready = fine[k] if inner[3] != box[3] else lines[k, here, MARGIN:-MARGIN]
                _normalise(ready, gain[plane], shift[plane], np.uint64(inner[1]), result[plane, inner[0] + start + k])


@fused
def _add_rows(
    image: Image,
    top: np.uint64,
    count: np.uint64,
    head: np.float32,
    tail: np.float32,
    left: np.uint64,
    sums: Sums,
    added: Floats,
) -> None:
    """Add up `count` rows from `top`, and a share of the ones above and below them."""
    width = np.uint64(added.size)
    if head or tail:
        _sum_whole_rows(image, top, count, left, width, sums)
        above, below = top - ONE if head else top, top + count if tail else top
        for x in range(width):
            shares = head * np.float32(image[above, left + x]) + tail * np.float32(image[below, left + x])
            added[x] = np.float32(sums[x]) + shares
    elif count == ONE:
        for x in range(width):
            added[x] = image[top, left + x]
    else:
        _sum_whole_rows(image, top, count, left, width, sums)
        for x in range(width):
            added[x] = sums[x]


@compiled
def _sum_whole_rows(image: Image, top: np.uint64, count: np.uint64, left: np.uint64, width: np.uint64, sums: Sums) -> None:
    """Add up rows in integers, four at a time so that the sums are written less often."""
    rest = count % FOUR
    if rest == 0:
        for x in range(width):
            sums[x] = 0
    elif rest == ONE:
        for x in range(width):
            sums[x] = image[top, left + x]
    elif rest == TWO:
        for x in range(width):
            sums[x] = image[top, left + x] + image[top + ONE, left + x]
    else:
        for x in range(width):
            sums[x] = image[top, left + x] + image[top + ONE, left + x] + image[top + TWO, left + x]
    for y in range(top + rest, top + count, FOUR):
        for x in range(width):
            upper = image[y, left + x] + image[y + ONE, left + x]
            sums[x] += upper + image[y + TWO, left + x] + image[y + THREE, left + x]


@fused
def _spread(pixels: Floats, lines: Floats) -> None:
    """RGB pixels (3 * W,) into lines (C, W + 2 * MARGIN), between their margins: three channels, or one that is grey."""
    width = lines.shape[1] - 2 * MARGIN
    if lines.shape[0] == 1:
        grey = lines[0, MARGIN:-MARGIN]
        for x in range(width):
            grey[x] = RED * pixels[3 * x] + GREEN * pixels[3 * x + 1] + BLUE * pixels[3 * x + 2]
    else:
        for channel in range(3):
            plane = lines[channel, MARGIN:-MARGIN]
            for x in range(width):
                plane[x] = pixels[3 * x + channel]


@fused
def _add_columns(lines: Floats, plane: int, columns: Runs, fine: Floats) -> None:
    """The sums along AT_ONCE lines of a plane side by side: one sum alone would wait for each of its own additions."""
    first, count, head, tail = columns
    a, b, c, d = lines[0, plane], lines[1, plane], lines[2, plane], lines[3, plane]
    e, f, g, h = lines[4, plane], lines[5, plane], lines[6, plane], lines[7, plane]
    for x in range(fine.shape[1]):
        before, behind = head[x], tail[x]
        left = np.uint64(first[x] + MARGIN - 1)
        right = left + np.uint64(count[x]) + ONE
        sum_a, sum_b = before * a[left] + behind * a[right], before * b[left] + behind * b[right]
        sum_c, sum_d = before * c[left] + behind * c[right], before * d[left] + behind * d[right]
        sum_e, sum_f = before * e[left] + behind * e[right], before * f[left] + behind * f[right]
        sum_g, sum_h = before * g[left] + behind * g[right], before * h[left] + behind * h[right]
        for i in range(left + ONE, right):
            sum_a += a[i]
            sum_b += b[i]
            sum_c += c[i]
            sum_d += d[i]
            sum_e += e[i]
            sum_f += f[i]
            sum_g += g[i]
            sum_h += h[i]
        fine[0, x], fine[1, x], fine[2, x], fine[3, x] = sum_a, sum_b, sum_c, sum_d
        fine[4, x], fine[5, x], fine[6, x], fine[7, x] = sum_e, sum_f, sum_g, sum_h


@fused
def _normalise(values: Floats, gain: np.float32, shift: np.float32, left: np.uint64, target: Floats) -> None:
    for x in range(np.uint64(values.size)):
        target[left + x] = values[x] * gain + shift


def _blacken(result: Floats, inner: Box, black: Floats) -> None:
    """Fill the input around the inner box with black: result (C, H, W), black (C,) the normalised zero."""
    top, left, height, width = inner
    if height < result.shape[1]:
        result[:, :top] = result[:, top + height :] = black[:, None, None]
    if width < result.shape[2]:
        result[:, top : top + height, :left] = result[:, top : top + height, left + width :] = black[:, None, None]
