"""Smooths gray images with the bilateral filter: a mean over near pixels of similar gray level.

C. Tomasi, R. Manduchi, "Bilateral filtering for gray and color images", ICCV 1998:
weight = exp(-distance^2 / (2 reach^2)) exp(-difference^2 / (2 contrast^2)), over a disc.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.frame import Image
from rtseg.kernels.filters.bilateral_of_5 import filter_rows_of_5
from rtseg.kernels.filters.fast_exp import fast_exp_neg
from rtseg.kernels.filters.moments import SIZES
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
from rtseg.kernels.runtime.cpu import allocating, compiled, fused, run_row_bands
from rtseg.kernels.runtime.device_array import launch_filter
from rtseg.kernels.runtime.registry import KernelCase, kernel

Floats = npt.NDArray[np.float32]
Sums = tuple[Floats, Floats, Floats, Floats]


def _cases() -> Iterator[KernelCase]:
    for name, image in gray_images():
        for size, contrast, reach in [(5, 30.0, 2.0), (3, 5.0, 1.0), (9, 80.0, 9.0), (7, 1000.0, 0.5)]:
            yield KernelCase(f"{name}, {size}, {contrast}, {reach}", (image, size, contrast, reach))


def _check(image: Image, size: int = 5, contrast: float = 30.0, reach: float = 2.0, *, out: Image | None = None) -> None:
    check_filter(image, size, SIZES, out)
    check_range("the contrast in grey levels", contrast, 0.1, 1e4)
    check_range("the reach in pixels", reach, 0.1, 1e4)


@kernel(cases=_cases, atol=1, check=_check)
def bilateral(image: Image, size: int = 5, contrast: float = 30.0, reach: float = 2.0, *, out: Image | None = None) -> Image:
    """Smooth a gray image (H, W) uint8 and preserve its edges; the result has the same shape and dtype.

    size: the disk's diameter in pixels, odd, 3 to 15. contrast: the standard deviation of the range weights in gray levels; a
    larger one smooths more. reach: the standard deviation of the spatial weights in pixels. Raises ImageError, ConfigError.
    """
    seen, near = sliding_windows(image, size), _spatial_weights(size, reach)
    weights = np.exp(-((seen - image[..., None, None]) ** 2) / (2 * contrast**2)) * near
    return copy_to_out(round_to_uint8((weights * seen).sum((2, 3)) / weights.sum((2, 3))), out)


def _spatial_weights(size: int, reach: float) -> npt.NDArray[np.float64]:
    """Return the spatial weights (size, size), 0 outside the disk."""
    y, x = np.indices((size, size)) - size // 2
    near: npt.NDArray[np.float64] = np.where(y**2 + x**2 <= (size // 2) ** 2, np.exp(-(y**2 + x**2) / (2 * reach**2)), 0)
    return near


@lru_cache(maxsize=8)
def _spatial_weights_f32(size: int, reach: float) -> Floats:
    return as_read_only(_spatial_weights(size, reach).astype(np.float32))


@bilateral.backend("numba")
def _bilateral_numba(
    image: Image, size: int = 5, contrast: float = 30.0, reach: float = 2.0, *, out: Image | None = None
) -> Image:
    result, padded = out_or_empty(out, image.shape, np.uint8), pad_with_edge(image, size // 2)
    near, sharpness, farness = _spatial_weights_f32(size, reach), 1 / (2 * contrast**2), 1 / (2 * reach**2)

    def band(first: int, end: int) -> None:
        if size == 5:
            filter_rows_of_5(padded, np.float32(-sharpness / 16), np.float32(-farness / 16), result, first, end)
        else:
            _rows(padded, near, np.float32(sharpness), result, first, end)

    run_row_bands(image.shape[0], image.shape[1] * size * size // 2, band)
    return result


@allocating
def _rows(padded: Image, near: Floats, sharpness: np.float32, result: Image, first: int, end: int) -> None:
    """Filter rows first..end; the weight of a pair is symmetric, so that each row is paired only with the rows below it.

    Ring buffers hold the gray levels, the numerators (`above`) and the denominators (`below`) of the rows in reach.
    """
    shape = near.shape[0] // 2 + 1, padded.shape[1]
    levels, above, below = np.empty(shape, np.float32), np.empty(shape, np.float32), np.empty(shape, np.float32)
    _accumulate_rows(padded, near, sharpness, levels, above, below, result, first, end)


@compiled
def _accumulate_rows(
    padded: Image,
    near: Floats,
    sharpness: np.float32,
    levels: Floats,
    above: Floats,
    below: Floats,
    result: Image,
    first: int,
    end: int,
) -> None:
    radius, width = near.shape[0] // 2, padded.shape[1]
    for y in range(first - radius, end):
        for k in range(radius + 1) if y == first - radius else range(radius, radius + 1):
            slot = (y + k) % (radius + 1)
            _start_row(padded[y + radius + k], levels[slot], above[slot], below[slot])
        here = y % (radius + 1)
        for along in range(-radius, radius + 1):
            for down in range(radius + 1):
                weight, there = near[radius + down, radius + along], (y + down) % (radius + 1)
                start, stop = max(0, -along), width - max(0, along)
                one, other = slice(start, stop), slice(start + along, stop + along)
                if weight > 0 and down > 0:
                    sums = above[here, one], below[here, one], above[there, other], below[there, other]
                    _accumulate_pair(levels[here, one], levels[there, other], weight, sharpness, sums)
                elif weight > 0 and along != 0:
                    _accumulate_one(
                        levels[here, one], levels[here, other], weight, sharpness, above[here, one], below[here, one]
                    )
        if y >= first:
            for x in range(result.shape[1]):
                result[y, x] = np.uint8(above[here, x + radius] / below[here, x + radius] + np.float32(0.5))


@compiled
def _start_row(row: Image, levels: Floats, above: Floats, below: Floats) -> None:
    """Start the sums of each pixel with the pixel itself."""
    for x in range(levels.size):
        levels[x] = above[x] = np.float32(row[x])
        below[x] = 1


@fused
def _accumulate_pair(one: Floats, other: Floats, near: np.float32, sharpness: np.float32, sums: Sums) -> None:
    above, below, other_above, other_below = sums
    for x in range(one.size):
        difference = one[x] - other[x]
        weight = near * fast_exp_neg(difference * difference * sharpness)
        above[x] += weight * other[x]
        below[x] += weight
        other_above[x] += weight * one[x]
        other_below[x] += weight


@fused
def _accumulate_one(one: Floats, other: Floats, near: np.float32, sharpness: np.float32, above: Floats, below: Floats) -> None:
    for x in range(one.size):
        difference = one[x] - other[x]
        weight = near * fast_exp_neg(difference * difference * sharpness)
        above[x] += weight * other[x]
        below[x] += weight


@bilateral.backend("cuda")
def _bilateral_cuda(
    image: Image, size: int = 5, contrast: float = 30.0, reach: float = 2.0, *, out: Image | None = None
) -> Any:
    return launch_filter("bilateral", image, out, size, contrast, reach)
