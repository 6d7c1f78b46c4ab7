"""Reduces speckle with optimized Bayesian non-local means: similar blocks are averaged, with a distance for speckle.

P. Coupe et al., "Nonlocal means-based speckle filtering for ultrasound images", IEEE Transactions on Image Processing 18(10),
2009: Pearson's distance mean((u - v)^2 / v) between blocks u and v, weight = exp(-distance / strength^2). Blocks stand around
every second pixel in both directions, and a pixel is the mean of the estimates of the blocks that cover it.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.frame import Image
from rtseg.kernels.filters.fast_exp import fast_exp_neg
from rtseg.kernels.runtime.arrays import (
    check_count,
    check_out,
    check_plane,
    check_range,
    copy_to_out,
    out_or_empty,
    pad_with_edge,
    round_to_uint8,
)
from rtseg.kernels.runtime.cases import gray_images
from rtseg.kernels.runtime.cpu import allocating, compiled, fused, run_row_bands
from rtseg.kernels.runtime.device_array import launch_filter
from rtseg.kernels.runtime.registry import KernelCase, kernel

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

RADIUS, SIDE = 2, 5  # of a block, in pixels
STEP = 2  # from block to block, in pixels
MIN_DENOMINATOR = np.float32(1)  # gray level: the distance divides by it


def _cases() -> Iterator[KernelCase]:
    for name, image in gray_images():
        for strength, search in [(4.0, 3), (0.5, 1), (100.0, 2), (4.0, 0)]:
            yield KernelCase(f"{name}, {strength}, {search}", (image, strength, search))


def _check(image: Image, strength: float = 4.0, search: int = 5, *, out: Image | None = None) -> None:
    check_plane("a grey image", image)
    check_range("the strength", strength, 0.01, 1e4)
    check_count("the search radius in pixels", search, 0, 15)
    check_out(out, tuple(image.shape), np.uint8)


@kernel(cases=_cases, atol=1, check=_check)
def non_local_means(image: Image, strength: float = 4.0, search: int = 5, *, out: Image | None = None) -> Image:
    """Reduce the speckle of a gray image (H, W) uint8 and preserve repeated structure; the result has the same shape and dtype.

    strength: the root of the distance at which a weight is 1/e, in root gray levels; a higher one smooths more. search: the
    radius in pixels in which similar blocks are searched; the time grows with its square. Raises ImageError, ConfigError.
    """
    padded = np.pad(image.astype(np.float64), RADIUS + search, mode="edge")
    own = _blocks(padded[search:, search:], image.shape)
    total, weights = np.zeros_like(own), np.zeros(own.shape[:2])
    for down in range(2 * search + 1):
        for along in range(2 * search + 1):
            other = _blocks(padded[down:, along:], image.shape)
            distance = ((own - other) ** 2 / np.maximum(other, MIN_DENOMINATOR)).mean((2, 3))
            weight = np.exp(-distance / strength**2)
            total, weights = total + weight[..., None, None] * other, weights + weight
    return copy_to_out(round_to_uint8(_average_overlaps(total / weights[..., None, None], image.shape)), out)


def _blocks(padded: Doubles, shape: tuple[int, ...]) -> Doubles:
    """Return the blocks (rows, columns, SIDE, SIDE) around every second pixel of an image that starts at (RADIUS, RADIUS)."""
    within = padded[: shape[0] + 2 * RADIUS, : shape[1] + 2 * RADIUS]
    seen: Doubles = np.lib.stride_tricks.sliding_window_view(within, (SIDE, SIDE))[::STEP, ::STEP]
    return seen


def _average_overlaps(blocks: Doubles, shape: tuple[int, ...]) -> Doubles:
    """Return the mean (H, W) at each pixel of the blocks that cover it."""
    total, count = (np.zeros((shape[0] + 2 * RADIUS, shape[1] + 2 * RADIUS)) for _ in range(2))
    for down in range(SIDE):
        for along in range(SIDE):
            rows, columns = slice(down, down + shape[0], STEP), slice(along, along + shape[1], STEP)
            total[rows, columns] += blocks[:, :, down, along]
            count[rows, columns] += 1
    inside = slice(RADIUS, RADIUS + shape[0]), slice(RADIUS, RADIUS + shape[1])
    mean: Doubles = total[inside] / count[inside]
    return mean


@non_local_means.backend("numba")
def _non_local_means_numba(image: Image, strength: float = 4.0, search: int = 5, *, out: Image | None = None) -> Image:
    result = out_or_empty(out, image.shape, np.uint8)
    levels = pad_with_edge(image, RADIUS + search).astype(np.float32)
    inverse: Floats = np.reciprocal(np.maximum(levels, MIN_DENOMINATOR))
    sharpness = np.float32(1 / (SIDE * SIDE * strength**2))

    def band(first: int, end: int) -> None:
        _average_rows(levels, inverse, search, sharpness, result, first, end)

    run_row_bands(image.shape[0], image.shape[1] * (2 * search + 1) ** 2, band)
    return result


@allocating
def _average_rows(
    levels: Floats, inverse: Floats, search: int, sharpness: np.float32, result: Image, first: int, end: int
) -> None:
    """Filter rows first..end, from every row of blocks that overlaps them."""
    height, width = result.shape
    total, count = np.zeros((end - first, width), np.float32), np.zeros((end - first, width), np.float32)
    blocks = (width + STEP - 1) // STEP
    estimates, columns = np.empty((SIDE * SIDE, blocks), np.float32), np.empty(levels.shape[1] - 2 * search, np.float32)
    weight, weights = np.empty(blocks, np.float32), np.empty(blocks, np.float32)
    for block_row in range(max(0, first - RADIUS + STEP - 1) // STEP * STEP, min(height, end + RADIUS), STEP):
        _estimate_blocks(levels, inverse, block_row, search, sharpness, columns, weight, weights, estimates)
        for k in range(SIDE):
            y = block_row + k - RADIUS
            if first <= y < end:
                _add_overlaps(estimates[k * SIDE : (k + 1) * SIDE], total[y - first], count[y - first])
    for y in range(first, end):
        for x in range(width):
            result[y, x] = np.uint8(total[y - first, x] / count[y - first, x] + np.float32(0.5))


@compiled
def _estimate_blocks(
    levels: Floats,
    inverse: Floats,
    block_row: int,
    search: int,
    sharpness: np.float32,
    columns: Floats,
    weight: Floats,
    weights: Floats,
    estimates: Floats,
) -> None:
    """Write the weighted mean of the searched blocks for each block of a row: (SIDE * SIDE, blocks).

    Scratch: columns holds the distance of each column, weight each block's weight, weights the sum of its weights.
    """
    estimates[:] = 0
    weights[:] = 0
    for offset in range((2 * search + 1) ** 2):
        down, along = block_row + offset // (2 * search + 1), offset % (2 * search + 1)
        for x in range(columns.size):
            columns[x] = 0
        for k in range(SIDE):
            _add_distances(
                levels[block_row + search + k, search:], levels[down + k, along:], inverse[down + k, along:], columns
            )
        _weigh(columns, sharpness, weight, weights)
        for k in range(SIDE):
            _add_blocks(levels[down + k, along:], weight, estimates[k * SIDE : (k + 1) * SIDE])
    for k in range(SIDE * SIDE):
        row = estimates[k]
        for x in range(weights.size):
            row[x] /= weights[x]


@fused
def _add_distances(own: Floats, other: Floats, inverse: Floats, columns: Floats) -> None:
    for x in range(columns.size):
        difference = own[x] - other[x]
        columns[x] += difference * difference * inverse[x]


@fused
def _weigh(columns: Floats, sharpness: np.float32, weight: Floats, weights: Floats) -> None:
    """Add up the columns of each block, and convert the distance to a weight."""
    for x in range(weight.size):
        at = STEP * x
        distance = columns[at] + columns[at + 1] + columns[at + 2] + columns[at + 3] + columns[at + 4]
        weight[x] = fast_exp_neg(distance * sharpness)
        weights[x] += weight[x]


@fused
def _add_blocks(row: Floats, weight: Floats, estimates: Floats) -> None:
    """Add one weighted row of each block's pixels to estimates (SIDE, blocks)."""
    a, b, c, d, e = estimates[0], estimates[1], estimates[2], estimates[3], estimates[4]
    for x in range(weight.size):
        at = STEP * x
        a[x] += weight[x] * row[at]
        b[x] += weight[x] * row[at + 1]
        c[x] += weight[x] * row[at + 2]
        d[x] += weight[x] * row[at + 3]
        e[x] += weight[x] * row[at + 4]


@compiled
def _add_overlaps(estimates: Floats, total: Floats, count: Floats) -> None:
    """Add one pixel row of a row of blocks to the image row; block x covers the pixels from STEP * x - RADIUS on."""
    for k in range(SIDE):
        for block in range(estimates.shape[1]):
            x = STEP * block + k - RADIUS
            if 0 <= x < total.size:
                total[x] += estimates[k, block]
                count[x] += 1


@non_local_means.backend("cuda")
def _non_local_means_cuda(image: Image, strength: float = 4.0, search: int = 5, *, out: Image | None = None) -> Any:
    return launch_filter("non_local_means", image, out, strength, search)
