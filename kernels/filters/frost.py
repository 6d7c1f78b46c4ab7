"""Reduces speckle with the Frost filter: a weighted mean whose weights decay faster where the image varies more.

V. Frost et al., "A model for radar images and its application to adaptive digital filtering of multiplicative noise", IEEE
TPAMI 4(2), 1982: weight = exp(-damping * Ci^2 * distance), Ci = local deviation / local mean, distance in pixels.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.frame import Image
from rtseg.kernels.filters.fast_exp import MAX_EXPONENT, fast_exp_neg
from rtseg.kernels.filters.moments import SIZES, moments, window_sums
from rtseg.kernels.runtime.arrays import (
    as_read_only,
    check_filter,
    check_range,
    copy_to_out,
    out_or_empty,
    pad_with_edge,
    round_to_uint8,
    sliding_windows,
)
from rtseg.kernels.runtime.cases import gray_images
from rtseg.kernels.runtime.cpu import allocating, compiled, run_row_bands
from rtseg.kernels.runtime.device_array import launch_filter
from rtseg.kernels.runtime.registry import KernelCase, kernel

Floats = npt.NDArray[np.float32]

MIN_MEAN = np.float32(1e-6)  # avoids a division by zero on black


def _cases() -> Iterator[KernelCase]:
    for name, image in gray_images():
        for size, damping in [(5, 2.0), (3, 1.0), (7, 20.0), (5, 0.0)]:
            yield KernelCase(f"{name}, {size}, {damping}", (image, size, damping))


def _check(image: Image, size: int = 5, damping: float = 2.0, *, out: Image | None = None) -> None:
    check_filter(image, size, SIZES, out)
    check_range("the damping", damping, 0, 1000)


@kernel(cases=_cases, atol=1, check=_check)
def frost(image: Image, size: int = 5, damping: float = 2.0, *, out: Image | None = None) -> Image:
    """Reduce the speckle of a gray image (H, W) uint8; the result has the same shape and dtype.

    size: of the window in pixels, odd, 3 to 15. damping: the rate at which weights decay; a lower one smooths more, 0 is the
    plain mean. Raises ImageError, ConfigError.
    """
    mean, variance = moments(image, size)
    rate = np.minimum(damping * variance / np.maximum(mean, MIN_MEAN) ** 2, MAX_EXPONENT)
    weights = np.exp(-rate[..., None, None] * _distances(size))
    return copy_to_out(round_to_uint8((weights * sliding_windows(image, size)).sum((2, 3)) / weights.sum((2, 3))), out)


def _distances(size: int) -> npt.NDArray[np.float64]:
    y, x = np.indices((size, size)) - size // 2
    return np.hypot(y, x)


@lru_cache(maxsize=len(SIZES))
def _rings(size: int) -> tuple[npt.NDArray[np.int64], Floats]:
    """Group the window's pixels by distance: each pixel's ring (size, size), and each ring's distance in pixels."""
    distances, ring = np.unique(_distances(size), return_inverse=True)
    return as_read_only(ring.reshape(size, size)), as_read_only(distances.astype(np.float32))


@frost.backend("numba")
def _frost_numba(image: Image, size: int = 5, damping: float = 2.0, *, out: Image | None = None) -> Image:
    result, padded = out_or_empty(out, image.shape, np.uint8), pad_with_edge(image, size // 2)
    ring, distances = _rings(size)

    def band(first: int, end: int) -> None:
        _frost_rows(padded, ring, distances, np.float32(damping), result, first, end)

    run_row_bands(image.shape[0], image.shape[1] * size * size, band)
    return result


@allocating
def _frost_rows(
    padded: Image,
    ring: npt.NDArray[np.int64],
    distances: Floats,
    damping: np.float32,
    result: Image,
    first: int,
    end: int,
) -> None:
    """Filter rows first..end: pixels at one distance share a weight, so that they are added up before weighting."""
    size, width = ring.shape[0], result.shape[1]
    columns = np.zeros((2, padded.shape[1]), np.int32)
    total = np.empty((2, width), np.int32)
    sums = np.empty((distances.size, width), np.int32)
    rate, above, below = np.empty(width, np.float32), np.empty(width, np.float32), np.empty(width, np.float32)
    counts = np.zeros(distances.size, np.float32)
    for k in range(size * size):
        counts[ring[k // size, k % size]] += 1
    for y in range(first, end):
        window_sums(padded, y, size, y == first, columns, total)
        _rates(total, np.float32(1 / (size * size)), damping, rate)
        sums[:] = 0
        for k in range(size * size):
            _add_pixels(padded[y + k // size, k % size :], sums[ring[k // size, k % size]])
        for x in range(width):
            above[x], below[x] = sums[0, x], 1
        for k in range(1, distances.size):
            _add_ring(rate, distances[k], counts[k], sums[k], above, below)
        for x in range(width):
            result[y, x] = np.uint8(above[x] / below[x] + np.float32(0.5))


@compiled
def _rates(total: npt.NDArray[np.int32], count: np.float32, damping: np.float32, rate: Floats) -> None:
    for x in range(rate.size):
        mean = np.float32(total[0, x]) * count
        variance = max(np.float32(total[1, x]) * count - mean * mean, np.float32(0))
        mean = max(mean, MIN_MEAN)
        rate[x] = min(damping * variance / (mean * mean), MAX_EXPONENT)


@compiled
def _add_pixels(row: Image, sums: npt.NDArray[np.int32]) -> None:
    for x in range(sums.size):
        sums[x] += np.int32(row[x])


@compiled
def _add_ring(
    rate: Floats, distance: np.float32, count: np.float32, sums: npt.NDArray[np.int32], above: Floats, below: Floats
) -> None:
    for x in range(rate.size):
        weight = fast_exp_neg(rate[x] * distance)
        above[x] += weight * np.float32(sums[x])
        below[x] += weight * count


@frost.backend("cuda")
def _frost_cuda(image: Image, size: int = 5, damping: float = 2.0, *, out: Image | None = None) -> Any:
    return launch_filter("frost", image, out, size, damping)
