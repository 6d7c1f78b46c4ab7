"""Computes the local mean and variance of a gray image, and the MMSE filters (Lee, Kuan) that use them.

A minimum mean square error (MMSE) filter moves a pixel toward its local mean, the more the lower the local variance is.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from rtseg.frame import Image
from rtseg.kernels.runtime.arrays import check_filter, check_range, out_or_empty, pad_with_edge, sliding_windows
from rtseg.kernels.runtime.cases import gray_images
from rtseg.kernels.runtime.cpu import allocating, compiled, run_row_bands
from rtseg.kernels.runtime.registry import KernelCase

Doubles = npt.NDArray[np.float64]
Sums = npt.NDArray[np.int32]

SIZES = (3, 5, 7, 9, 11, 13, 15)
MIN_VARIANCE = np.float32(1e-6)  # gray levels squared: avoids a division by zero in flat windows


def mmse_cases() -> Iterator[KernelCase]:
    """Yield the test cases of an MMSE filter."""
    for name, image in gray_images():
        for size, noise in [(7, 0.25), (3, 0.1), (9, 1.0), (5, 0.0)]:
            yield KernelCase(f"{name}, {size}, {noise}", (image, size, noise))


def check_mmse(image: Image, size: int = 7, noise: float = 0.15, *, out: Image | None = None) -> None:
    """Check the arguments of an MMSE filter. Raises ImageError, ConfigError."""
    check_filter(image, size, SIZES, out)
    check_range("the speckle's coefficient of variation", noise, 0, 10)


def moments(image: Image, size: int) -> tuple[Doubles, Doubles]:
    """Return the mean and the variance (H, W) float64 of the size x size window around each pixel, with the edge repeated."""
    seen = sliding_windows(image, size)
    return seen.mean((2, 3)), seen.var((2, 3))


def mmse_estimate(image: Image, size: int, noise: float, scale: float) -> Doubles:
    """Return mean + k (value - mean), (H, W) float64, with k = scale * (1 - noise^2 mean^2 / variance) in [0, 1]."""
    mean, variance = moments(image, size)
    share = np.clip(scale * (1 - (noise * mean) ** 2 / np.maximum(variance, MIN_VARIANCE)), 0, 1)
    return mean + share * (image - mean)


def mmse_filter(image: Image, size: int, noise: float, scale: float, out: Image | None) -> Image:
    """Compute `mmse_estimate` with compiled loops, rounded to uint8."""
    result, padded = out_or_empty(out, image.shape, np.uint8), pad_with_edge(image, size // 2)

    def band(first: int, end: int) -> None:
        _mmse_rows(padded, size, np.float32(noise**2), np.float32(scale), result, first, end)

    run_row_bands(image.shape[0], 4 * image.shape[1], band)
    return result


@allocating
def _mmse_rows(padded: Image, size: int, noise: np.float32, scale: np.float32, result: Image, first: int, end: int) -> None:
    columns = np.zeros((2, padded.shape[1]), np.int32)
    total = np.empty((2, result.shape[1]), np.int32)
    count = np.float32(1 / (size * size))
    for y in range(first, end):
        window_sums(padded, y, size, y == first, columns, total)
        row, target = padded[y + size // 2, size // 2 :], result[y]
        for x in range(target.size):
            mean = np.float32(total[0, x]) * count
            variance = max(np.float32(total[1, x]) * count - mean * mean, MIN_VARIANCE)
            share = scale * (np.float32(1) - noise * mean * mean / variance)
            share = min(max(share, np.float32(0)), np.float32(1))
            target[x] = np.uint8(mean + share * (np.float32(row[x]) - mean) + np.float32(0.5))


@compiled
def window_sums(padded: Image, y: int, size: int, start: bool, columns: Sums, total: Sums) -> None:
    """Write the sums and the sums of squares of the windows of row y to total (2, W).

    columns: (2, W + size - 1), the sums of each column; they continue from the row before unless `start` is True.
    """
    if start:
        columns[:] = 0
        for k in range(size):
            _add_row(padded[y + k], columns[0], columns[1])
    else:
        _move_row(padded[y - 1], padded[y - 1 + size], columns[0], columns[1])
    for moment in range(2):
        sums, column = total[moment], columns[moment]
        for x in range(sums.size):
            sums[x] = column[x]
        for k in range(1, size):
            _add_sums(column[k:], sums)


@compiled
def _add_row(row: Image, sums: Sums, squares: Sums) -> None:
    for x in range(row.size):
        value = np.int32(row[x])
        sums[x] += value
        squares[x] += value * value


@compiled
def _move_row(gone: Image, come: Image, sums: Sums, squares: Sums) -> None:
    for x in range(gone.size):
        old, new = np.int32(gone[x]), np.int32(come[x])
        sums[x] += new - old
        squares[x] += new * new - old * old


@compiled
def _add_sums(more: Sums, sums: Sums) -> None:
    for x in range(sums.size):
        sums[x] += more[x]
