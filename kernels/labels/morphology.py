"""Opens and closes images with a flat square: an erosion and a dilation, in either order."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from rtseg.frame import Image
from rtseg.kernels.runtime.arrays import check_count, check_out, check_plane, copy_if_overlapping, copy_to_out, out_or_empty
from rtseg.kernels.runtime.cases import gray_images
from rtseg.kernels.runtime.cpu import allocating, compiled, run_row_bands
from rtseg.kernels.runtime.device_array import launch_map, scratch_array
from rtseg.kernels.runtime.registry import KernelCase, kernel

MAX_RADIUS = 32  # pixels
MARGIN, ONE = np.uint64(MAX_RADIUS), np.uint64(1)  # unsigned: an index has no sign to check


def _cases() -> Iterator[KernelCase]:
    for name, image in gray_images():
        for radius in (0, 1, 2, 6):
            yield KernelCase(f"{name}, {radius}", (image, radius))


def _check(image: Image, radius: int = 2, *, out: Image | None = None) -> None:
    check_plane("a mask or grey image", image)
    check_count("the radius in pixels", radius, 0, MAX_RADIUS)
    check_out(out, tuple(image.shape), np.uint8)


@kernel(cases=_cases, atol=0, check=_check)
def opening(image: Image, radius: int = 2, *, out: Image | None = None) -> Image:
    """Remove bright parts narrower than 2 * radius + 1 pixels from a mask or gray image (H, W) uint8.

    `out` may be `image`. Raises ImageError, ConfigError.
    """
    return copy_to_out(_window_extreme(_window_extreme(image, radius, np.minimum), radius, np.maximum), out)


@kernel(cases=_cases, atol=0, check=_check)
def closing(image: Image, radius: int = 2, *, out: Image | None = None) -> Image:
    """Remove dark parts narrower than 2 * radius + 1 pixels from a mask or gray image (H, W) uint8.

    `out` may be `image`. Raises ImageError, ConfigError.
    """
    return copy_to_out(_window_extreme(_window_extreme(image, radius, np.maximum), radius, np.minimum), out)


def _window_extreme(image: Image, radius: int, choose: np.ufunc) -> Image:
    """Return the minimum or maximum of the square around each pixel, inside the frame."""
    padded = np.pad(image, radius, mode="edge")
    seen = np.lib.stride_tricks.sliding_window_view(padded, (2 * radius + 1,) * 2)
    extreme: Image = choose.reduce(seen, axis=(2, 3))
    return extreme


@opening.backend("numba")
def _opening_numba(image: Image, radius: int = 2, *, out: Image | None = None) -> Image:
    return _two_passes(image, radius, False, out)


@closing.backend("numba")
def _closing_numba(image: Image, radius: int = 2, *, out: Image | None = None) -> Image:
    return _two_passes(image, radius, True, out)


def _two_passes(image: Image, radius: int, greatest_first: bool, out: Image | None) -> Image:
    source, result = copy_if_overlapping(image, out), out_or_empty(out, image.shape, np.uint8)
    height, width = image.shape

    def band(first: int, end: int) -> None:
        _two_pass_rows(source.ravel(), result.ravel(), height, width, radius, greatest_first, first, end)

    run_row_bands(height, width, band)
    return result


@allocating
def _two_pass_rows(
    image: Image,  # (H * W,)
    result: Image,  # (H * W,)
    height: int,
    width: int,
    radius: int,
    greatest_first: bool,
    first: int,
    end: int,
) -> None:
    """Write rows first..end of the result; a ring buffer holds the rows of the first pass that the second one needs."""
    turns = 2
    while turns < 2 * radius + 1:
        turns *= 2
    column, between = np.empty(width + 2 * MAX_RADIUS, np.uint8), np.empty(turns * width, np.uint8)
    for y in range(max(0, first - radius), end + 2 * radius):
        if y < min(height, end + radius):
            _extreme_row(image, -1, y, height, radius, greatest_first, column, between, y & (turns - 1))
        if first <= y - radius < end:
            _extreme_row(between, turns - 1, y - radius, height, radius, not greatest_first, column, result, y - radius)


@compiled
def _extreme_row(
    rows: Image, mask: int, y: int, height: int, radius: int, greatest: bool, column: Image, target: Image, place: int
) -> None:
    """Write the extremes of the squares around row y of `rows` to row `place` of `target`.

    mask: -1, or the number of rows of a ring buffer minus 1. The columns are reduced first, then the row. Three values are
    combined at first, then two at a time: a value that is taken twice changes nothing.
    """
    width = column.size - 2 * MAX_RADIUS
    first, last = max(0, y - radius), min(height - 1, y + radius)
    size, reach, to = np.uint64(width), np.uint64(radius), np.uint64(place * width)
    low, middle, high = (first & mask) * width, (min(first + 1, last) & mask) * width, (last & mask) * width
    _start_extreme(rows, np.uint64(low), np.uint64(middle), np.uint64(high), greatest, column, MARGIN, size)
    for near in range(first + 2, last, 2):
        low, high = (near & mask) * width, (min(near + 1, last) & mask) * width
        _extend_extreme(rows, np.uint64(low), np.uint64(high), greatest, column, MARGIN, size)
    for x in range(radius):
        column[MAX_RADIUS - 1 - x], column[MAX_RADIUS + width + x] = column[MAX_RADIUS], column[MAX_RADIUS + width - 1]
    _start_extreme(column, MARGIN - reach, MARGIN, MARGIN + reach, greatest, target, to, size)
    for shift in range(ONE, reach):
        _extend_extreme(column, MARGIN - shift, MARGIN + shift, greatest, target, to, size)


@compiled
def _start_extreme(
    rows: Image, a: np.uint64, b: np.uint64, c: np.uint64, greatest: bool, extreme: Image, to: np.uint64, size: np.uint64
) -> None:
    """Write the extremes of the three rows of values that start at a, b and c."""
    if greatest:
        for x in range(size):
            extreme[to + x] = max(rows[a + x], rows[b + x], rows[c + x])
    else:
        for x in range(size):
            extreme[to + x] = min(rows[a + x], rows[b + x], rows[c + x])


@compiled
def _extend_extreme(
    rows: Image, a: np.uint64, b: np.uint64, greatest: bool, extreme: Image, to: np.uint64, size: np.uint64
) -> None:
    """Update the extremes with the two rows of values that start at a and b."""
    if greatest:
        for x in range(size):
            extreme[to + x] = max(extreme[to + x], rows[a + x], rows[b + x])
    else:
        for x in range(size):
            extreme[to + x] = min(extreme[to + x], rows[a + x], rows[b + x])


@opening.backend("cuda")
def _opening_cuda(image: Image, radius: int = 2, *, out: Image | None = None) -> Any:
    return launch_map("opening", image, out, radius, scratch_array(image, image.shape, np.uint8))


@closing.backend("cuda")
def _closing_cuda(image: Image, radius: int = 2, *, out: Image | None = None) -> Any:
    return launch_map("closing", image, out, radius, scratch_array(image, image.shape, np.uint8))
