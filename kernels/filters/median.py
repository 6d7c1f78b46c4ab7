"""Filters gray images with the median, by sorting networks.

The columns of a window are sorted, then its rows. A value of that matrix with half of the window on one side cannot be the
median and is dropped (A. Kolte et al., "A fast median filter using AltiVec", ICCD 1999). The median is selected from the
rest: for 3 and 5 by a network that stays in registers, for 7 over whole rows by forgetful selection, which repeatedly drops
the minimum and the maximum (A. Paeth, "Median finding on a 3x3 grid", Graphics Gems, 1990).
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.frame import Image
from rtseg.kernels.runtime.arrays import (
    as_read_only,
    check_filter,
    copy_if_overlapping,
    copy_to_out,
    out_or_empty,
    pad_with_edge,
    sliding_windows,
)
from rtseg.kernels.runtime.cases import gray_images
from rtseg.kernels.runtime.cpu import allocating, compiled, run_row_bands
from rtseg.kernels.runtime.device_array import launch_filter
from rtseg.kernels.runtime.registry import KernelCase, kernel

Steps = npt.NDArray[np.int64]

SIZES = (3, 5, 7)
MARGIN = 32  # pixels beside the sorted columns: one is enough, but aligned rows are faster
BLOCK = 1280  # pixels of a row per pass, so that the whole window stays in the L1 cache


def _cases() -> Iterator[KernelCase]:
    for name, image in gray_images():
        for size in SIZES:
            yield KernelCase(f"{name}, {size}", (image, size))


def _check(image: Image, size: int = 5, *, out: Image | None = None) -> None:
    check_filter(image, size, SIZES, out)


@kernel(cases=_cases, atol=0, check=_check)
def median(image: Image, size: int = 5, *, out: Image | None = None) -> Image:
    """Return the median of the window around each pixel of a gray image (H, W) uint8, with the edge repeated.

    size: of the window in pixels, 3, 5 or 7; a larger one smooths more. Raises ImageError, ConfigError.
    """
    return copy_to_out(np.median(sliding_windows(image, size), axis=(2, 3)).astype(np.uint8), out)


@median.backend("numba")
def _median_numba(image: Image, size: int = 5, *, out: Image | None = None) -> Image:
    result = out_or_empty(out, image.shape, np.uint8)
    source = copy_if_overlapping(image, out) if size == 3 else pad_with_edge(image, size // 2)

    def band(first: int, end: int) -> None:
        if size == 7:
            _rows_of_7(source, *_median_network(size), result, first, end)
        else:
            (_rows_of_3 if size == 3 else _rows_of_5)(source, result, first, end)

    run_row_bands(image.shape[0], image.shape[1] * size * size // 4, band)
    return result


@allocating
def _rows_of_3(image: Image, result: Image, first: int, end: int) -> None:
    """Filter rows first..end; the edge is repeated in the sorted columns, which saves a copy of the image."""
    height, width = image.shape
    ranks = np.empty((3, width + 2 * MARGIN), np.uint8)
    low, middle, high = ranks[0], ranks[1], ranks[2]
    left, right = np.uint64(MARGIN - 1), np.uint64(MARGIN + 1)
    here = np.uint64(MARGIN)
    for y in range(first, end):
        above, row, below, target = image[max(y - 1, 0)], image[y], image[min(y + 1, height - 1)], result[y]
        for x in range(np.uint64(width)):
            low[here + x], middle[here + x], high[here + x] = _sort_3(above[x], row[x], below[x])
        for rank in range(3):
            ranks[rank, MARGIN - 1], ranks[rank, MARGIN + width] = ranks[rank, MARGIN], ranks[rank, MARGIN + width - 1]
        for x in range(np.uint64(width)):
            greatest_low = max(low[left + x], low[here + x], low[right + x])
            _, middle_one, _ = _sort_3(middle[left + x], middle[here + x], middle[right + x])
            least_high = min(high[left + x], high[here + x], high[right + x])
            _, target[x], _ = _sort_3(greatest_low, middle_one, least_high)


@allocating
def _rows_of_5(padded: Image, result: Image, first: int, end: int) -> None:
    """Filter rows first..end.

    Seven values of the sorted matrix remain: its antidiagonal, the maximum before it and the minimum after it.
    """
    ranks = np.empty((5, padded.shape[1]), np.uint8)
    a, b, c, d, e = ranks[0], ranks[1], ranks[2], ranks[3], ranks[4]
    for y in range(first, end):
        row_0, row_1, row_2, row_3, row_4 = padded[y], padded[y + 1], padded[y + 2], padded[y + 3], padded[y + 4]
        for x in range(a.size):
            a[x], b[x], c[x], d[x], e[x] = _sort_5(row_0[x], row_1[x], row_2[x], row_3[x], row_4[x])
        target = result[y]
        for x in range(target.size):
            _, _, _, a3, a4 = _sort_5(a[x], a[x + 1], a[x + 2], a[x + 3], a[x + 4])
            _, _, b2, b3, b4 = _sort_5(b[x], b[x + 1], b[x + 2], b[x + 3], b[x + 4])
            _, c1, c2, c3, _ = _sort_5(c[x], c[x + 1], c[x + 2], c[x + 3], c[x + 4])
            d0, d1, d2, _, _ = _sort_5(d[x], d[x + 1], d[x + 2], d[x + 3], d[x + 4])
            e0, e1, _, _, _ = _sort_5(e[x], e[x + 1], e[x + 2], e[x + 3], e[x + 4])
            before, behind = _order(max(a3, b2, c1, d0), min(b4, c3, d2, e1))
            _, s1, s2, s3, _ = _sort_5(a4, b3, c2, d1, e0)
            target[x] = min(s3, max(s2, before), max(s1, behind))  # the fourth of the seven


@compiled
def _order(a: np.uint8, b: np.uint8) -> tuple[np.uint8, np.uint8]:
    return min(a, b), max(a, b)


@compiled
def _sort_3(a: np.uint8, b: np.uint8, c: np.uint8) -> tuple[np.uint8, np.uint8, np.uint8]:
    a, b = _order(a, b)
    b, c = _order(b, c)
    a, b = _order(a, b)
    return a, b, c


@compiled
def _sort_5(
    a: np.uint8, b: np.uint8, c: np.uint8, d: np.uint8, e: np.uint8
) -> tuple[np.uint8, np.uint8, np.uint8, np.uint8, np.uint8]:
    a, b = _order(a, b)
    d, e = _order(d, e)
    c, e = _order(c, e)
    c, d = _order(c, d)
    a, d = _order(a, d)
    a, c = _order(a, c)
    b, e = _order(b, e)
    b, d = _order(b, d)
    b, c = _order(b, c)
    return a, b, c, d, e


@lru_cache(maxsize=1)
def _median_network(size: int) -> tuple[Steps, Steps, int]:
    """Return the steps that sort a column, those that select the median from sorted columns, and its final index."""
    sort = _odd_even_merge_sort(range(size))
    rows = [pair for rank in range(size) for pair in _odd_even_merge_sort(range(rank * size, (rank + 1) * size))]
    beyond = size * size // 2 + 2  # the minimum or maximum of so many values cannot be the median
    kept = [
        row * size + column
        for row in range(size)
        for column in range(size)
        if (row + 1) * (column + 1) < beyond and (size - row) * (size - column) < beyond
    ]
    forget, middle = _forgetful_selection(kept)
    return _needed_steps(sort, set(range(size))), _needed_steps(rows + forget, {middle}), middle


def _odd_even_merge_sort(places: Sequence[int]) -> list[tuple[int, int]]:
    """Return pairs of places that, ordered one after another, sort the values there: Batcher's odd-even merge sort (1968)."""
    size, pairs = len(places), []
    span = 1
    while span < size:
        gap = span
        while gap:
            for start in range(gap % span, size - gap, 2 * gap):
                for i in range(start, min(start + gap, size - gap)):
                    if i // (2 * span) == (i + gap) // (2 * span):
                        pairs.append((places[i], places[i + gap]))
            gap //= 2
        span *= 2
    return pairs


def _forgetful_selection(places: Sequence[int]) -> tuple[list[tuple[int, int]], int]:
    """Return pairs of places that, ordered one after another, select the median, and the place where it ends up.

    places: an odd number of them.
    """
    held, waiting, pairs = list(places[: len(places) // 2 + 2]), list(places[len(places) // 2 + 2 :]), []
    while len(held) > 1:
        pairs += [(held[0], place) for place in held[1:]]  # moves the minimum to the first place
        pairs += [(place, held[-1]) for place in held[1:-1]]  # moves the maximum to the last place
        held = held[1:-1] + [waiting.pop() for _ in waiting[:1]]
    return pairs, held[0]


def _needed_steps(pairs: Sequence[tuple[int, int]], wanted: set[int]) -> Steps:
    """Return the pairs that contribute to the wanted places, as (low, high, minimum is needed, maximum is needed)."""
    steps = []
    for low, high in reversed(pairs):
        if low in wanted or high in wanted:
            steps.append((low, high, low in wanted, high in wanted))
            wanted = wanted | {low, high}
    return as_read_only(np.array(steps[::-1], np.int64))


@allocating
def _rows_of_7(padded: Image, sort: Steps, select: Steps, middle: int, result: Image, first: int, end: int) -> None:
    size = padded.shape[0] - result.shape[0] + 1
    for start in range(0, result.shape[1], BLOCK):
        width = min(BLOCK, result.shape[1] - start)
        columns, values = np.empty((size, width + size - 1), np.uint8), np.empty((size * size, width), np.uint8)
        for y in range(first, end):
            _select(padded[y : y + size, start:], sort, select, columns, values)
            _copy(values[middle], result[y, start : start + width])


@compiled
def _select(rows: Image, sort: Steps, select: Steps, columns: Image, values: Image) -> None:
    """Write the window of each pixel to `values` (size * size, width), ordered as far as its median needs."""
    size = columns.shape[0]
    for k in range(size):
        _copy(rows[k], columns[k])
    _order_rows(columns, sort)
    for k in range(size * size):
        _copy(columns[k // size, k % size :], values[k])
    _order_rows(values, select)


@compiled
def _copy(source: Image, target: Image) -> None:
    for x in range(target.size):
        target[x] = source[x]


@compiled
def _order_rows(rows: Image, steps: Steps) -> None:
    for step in range(steps.shape[0]):
        low, high = rows[steps[step, 0]], rows[steps[step, 1]]
        if not steps[step, 3]:
            for x in range(low.size):
                low[x] = min(low[x], high[x])
        elif not steps[step, 2]:
            for x in range(low.size):
                high[x] = max(low[x], high[x])
        else:
            for x in range(low.size):
                less, more = min(low[x], high[x]), max(low[x], high[x])
                low[x], high[x] = less, more


@median.backend("cuda")
def _median_cuda(image: Image, size: int = 5, *, out: Image | None = None) -> Any:
    return launch_filter("median", image, out, size)
