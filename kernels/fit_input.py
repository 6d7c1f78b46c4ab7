"""From a frame to a network's input in one pass: crop, colour to grey, resize, normalise.

Grey is BT.601 luma, 0.299 R + 0.587 G + 0.114 B. Each axis is resized for itself: shrinking averages the exact share of each
pixel that an output pixel covers (OpenCV's INTER_AREA), enlarging is bilinear with half-pixel centres and clamped edges.
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

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Taps = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats]  # first input, number of inputs, their weights; by output

RED, GREEN, BLUE = np.float32(0.299), np.float32(0.587), np.float32(0.114)  # BT.601 luma
AT_ONCE = 4  # rows of the result


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


def resize_weights(inputs: int, outputs: int) -> Doubles:
    """The matrix (outputs, inputs) that resizes one axis: exact coverage when it shrinks, bilinear when it grows."""
    scale = inputs / outputs
    position = np.arange(inputs)
    if scale > 1:
        low = np.arange(outputs)[:, None] * scale
        covered: Doubles = np.clip(np.minimum(position + 1, low + scale) - np.maximum(position, low), 0, None)
        return covered / scale
    centre = np.clip((np.arange(outputs)[:, None] + 0.5) * scale - 0.5, 0, inputs - 1)
    near: Doubles = np.clip(1 - abs(position - centre), 0, None)
    return near


@lru_cache(maxsize=32)
def resize_taps(inputs: int, outputs: int) -> Taps:
    """The weights that are not zero, as a compiled loop reads them. The arrays are shared: they are read-only."""
    dense = resize_weights(inputs, outputs)
    used = dense > 1e-9
    first, count = used.argmax(1), used.sum(1)
    reach = np.minimum(first[:, None] + np.arange(count.max()), inputs - 1)
    weights = np.where(np.arange(count.max()) < count[:, None], np.take_along_axis(dense, reach, 1), 0)
    return readable(first), readable(count), readable(weights.astype(np.float32))


@fit_input.backend("numba")
def _fit_input_numba(
    image: Image, fit: Fit, mean: Sequence[float], std: Sequence[float], *, out: Floats | None = None
) -> Floats:
    result = room(out, (1, len(mean), *fit.size), np.float32)
    gain = readable(1 / np.asarray(std, np.float32))
    shift = readable(-np.asarray(mean, np.float32) * gain)
    rows, columns = resize_taps(fit.box[2], fit.inner[2]), resize_taps(fit.box[3], fit.inner[3])
    flat = readable(image).reshape(image.shape[0], -1)
    channels = flat.shape[1] // image.shape[1]
    pixels = fit.box[3] * fit.box[2] // fit.inner[2]  # that are read for one row of the result

    def band(first: int, end: int) -> None:
        _fit_rows(flat, channels, fit.box, fit.inner, rows, columns, gain, shift, result[0], first, end)

    by_rows(fit.inner[2], max(pixels, fit.inner[3]), band)
    _blacken(result[0], fit.inner, shift)
    return result


@compiled
def _fit_rows(
    flat: Image,  # (H, W * channels)
    channels: int,
    box: Box,
    inner: Box,
    rows: Taps,
    columns: Taps,
    gain: Floats,
    shift: Floats,
    result: Floats,  # (C, H, W)
    first: int,
    end: int,
) -> None:
    """Rows first..end of the inner box, AT_ONCE together: source rows are weighted and added up, then their columns are."""
    lines, fine = np.zeros((AT_ONCE, box[3] * channels), np.float32), np.empty((AT_ONCE, inner[3]), np.float32)
    left, right = box[1] * channels, (box[1] + box[3]) * channels
    to_grey = channels == 3 and gain.size == 1
    step = 1 if to_grey else channels
    for start in range(first, end, AT_ONCE):
        count = min(AT_ONCE, end - start)
        for k in range(count):
            top, taps = box[0] + rows[0][start + k], rows[1][start + k]
            _add_rows(flat[top : top + taps, left:right], rows[2][start + k], lines[k])
            if to_grey:
                _grey(lines[k])
        for channel in range(gain.size):
            _add_columns(lines, channel % step, step, columns, fine)
            for k in range(count):
                target = result[channel, inner[0] + start + k, inner[1] : inner[1] + inner[3]]
                _normalise(fine[k], gain[channel], shift[channel], target)


@fused
def _add_rows(rows: Image, weights: Floats, line: Floats) -> None:
    """The weighted sum of rows (n, W), four at a time so that the line is written less often."""
    for x in range(line.size):
        line[x] = 0
    tap = 0
    while tap + 4 <= rows.shape[0]:
        a, b, c, d = rows[tap], rows[tap + 1], rows[tap + 2], rows[tap + 3]
        e, f, g, h = weights[tap], weights[tap + 1], weights[tap + 2], weights[tap + 3]
        for x in range(line.size):
            upper = e * np.float32(a[x]) + f * np.float32(b[x])
            line[x] += upper + (g * np.float32(c[x]) + h * np.float32(d[x]))
        tap += 4
    for k in range(tap, rows.shape[0]):
        row, weight = rows[k], weights[k]
        for x in range(line.size):
            line[x] += weight * np.float32(row[x])


@fused
def _grey(line: Floats) -> None:
    """Squeeze RGB pixels (3 * W,) to grey ones in the line's first third."""
    for x in range(line.size // 3):
        line[x] = RED * line[3 * x] + GREEN * line[3 * x + 1] + BLUE * line[3 * x + 2]


@fused
def _add_columns(lines: Floats, offset: int, step: int, columns: Taps, fine: Floats) -> None:
    """The weighted sums along each line, side by side: one sum alone would wait for each of its own additions."""
    first, count, weights = columns
    a, b, c, d = lines[0], lines[1], lines[2], lines[3]
    for x in range(fine.shape[1]):
        at = np.uint64(first[x] * step + offset)
        sum_a = sum_b = sum_c = sum_d = np.float32(0)
        for tap in range(count[x]):
            weight, i = weights[x, tap], np.uint64(at + np.uint64(tap * step))
            sum_a += weight * a[i]
            sum_b += weight * b[i]
            sum_c += weight * c[i]
            sum_d += weight * d[i]
        fine[0, x], fine[1, x], fine[2, x], fine[3, x] = sum_a, sum_b, sum_c, sum_d


@fused
def _normalise(values: Floats, gain: np.float32, shift: np.float32, target: Floats) -> None:
    for x in range(target.size):
        target[x] = values[x] * gain + shift


def _blacken(result: Floats, inner: Box, black: Floats) -> None:
    """Fill the input around the inner box with black: result (C, H, W), black (C,) the normalised zero."""
    top, left, height, width = inner
    result[:, :top] = result[:, top + height :] = black[:, None, None]
    result[:, top : top + height, :left] = result[:, top : top + height, left + width :] = black[:, None, None]
