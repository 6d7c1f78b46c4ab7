"""Finds the inner contour of each class: its pixels near another label."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from rtseg.frame import Labels
from rtseg.kernels.runtime.arrays import check_count, check_out, check_plane, copy_if_overlapping, copy_to_out, out_or_empty
from rtseg.kernels.runtime.cases import images, label_maps
from rtseg.kernels.runtime.cpu import compiled, run_row_bands
from rtseg.kernels.runtime.cuda import launch
from rtseg.kernels.runtime.device_array import copy_if_same_memory, out_or_device_array
from rtseg.kernels.runtime.registry import KernelCase, kernel

MAX_WIDTH = 32  # pixels
ONE = np.uint64(1)  # unsigned: an index has no sign to check


def _cases() -> Iterator[KernelCase]:
    for shape in sorted({image.shape[:2] for _, image in images()}):
        for name, labels in label_maps(shape):
            for width in (0, 1, 2, 5):
                yield KernelCase(f"{name} {shape}, {width} wide", (labels, width))
    yield KernelCase("strided", (np.indices((40, 60)).sum(0).astype(np.uint8)[::2, ::-3] // 9, 2))


def _check(labels: Labels, width: int, *, out: Labels | None = None) -> None:
    check_plane("a label map", labels)
    check_count("the contour's width", width, 0, MAX_WIDTH)
    check_out(out, tuple(labels.shape), np.uint8)


@kernel(cases=_cases, atol=0, check=_check)
def inner_contour(labels: Labels, width: int, *, out: Labels | None = None) -> Labels:
    """Return the labels (H, W) uint8 of the pixels that have another label within `width` pixels, 0 elsewhere.

    The neighborhood is a square of 2 * width + 1 pixels. The outside of the frame is not a label, so that a class cut off by
    the frame's edge has no contour there. Raises ImageError, ConfigError.
    """
    lowest, highest = labels.copy(), labels.copy()
    for down in range(-width, width + 1):
        for along in range(-width, width + 1):
            here, there = _overlap(labels.shape[0], down), _overlap(labels.shape[1], along)
            near = labels[here[1], there[1]]
            np.minimum(lowest[here[0], there[0]], near, out=lowest[here[0], there[0]])
            np.maximum(highest[here[0], there[0]], near, out=highest[here[0], there[0]])
    return copy_to_out(np.where(lowest != highest, labels, 0).astype(np.uint8), out)


def _overlap(size: int, shift: int) -> tuple[slice, slice]:
    """Return the slice of an axis whose pixels have a neighbor at `shift`, and the slice of those neighbors."""
    count = max(0, size - abs(shift))
    start = max(0, -shift)
    return slice(start, start + count), slice(start + shift, start + shift + count)


@inner_contour.backend("numba")
def _inner_contour_numba(labels: Labels, width: int, *, out: Labels | None = None) -> Labels:
    source = copy_if_overlapping(labels, out)
    result = out_or_empty(out, labels.shape, np.uint8)

    def band(first: int, end: int) -> None:
        rim, spare = np.empty(labels.shape[1], np.uint8), contour_scratch(labels.shape[1])
        _contour_rows(source, width, rim, spare, result, first, end)

    run_row_bands(labels.shape[0], labels.shape[1], band)
    return result


@compiled
def _contour_rows(labels: Labels, width: int, rim: Labels, spare: Labels, result: Labels, first: int, end: int) -> None:
    for y in range(first, end):
        mark_contour(labels, y, width, 0, rim.size, spare, rim)
        for x in range(rim.size):
            result[y, x] = labels[y, x] if rim[x] else np.uint8(0)


def contour_scratch(width: int) -> Labels:
    """Return zeroed scratch memory for `mark_contour`, for rows of this width."""
    return np.zeros((2, width + 2 * MAX_WIDTH), np.uint8)


@compiled
def mark_contour(labels: Labels, y: int, width: int, start: int, stop: int, spare: Labels, rim: Labels) -> None:
    """Write nonzero to rim (W,) where pixels start..stop of row y have another label within `width` pixels.

    spare: from `contour_scratch`. A square holds two labels if one of its columns does, or if two neighbors in its middle row
    differ.
    """
    if width == 0:
        rim[start:stop] = 0
        return
    tall, wide, margin = spare[0], spare[1], np.uint64(MAX_WIDTH)
    left, right = np.uint64(max(0, start - width)), np.uint64(min(rim.size, stop + width))
    here = labels[y]
    for distance in range(1, width + 1):
        above, below = labels[max(0, y - distance)], labels[min(labels.shape[0] - 1, y + distance)]
        for x in range(left, right):
            found = (above[x] ^ here[x]) | (below[x] ^ here[x])
            tall[margin + x] = found if distance == 1 else found | tall[margin + x]
    for x in range(left, min(right, np.uint64(rim.size - 1))):
        wide[margin + x] = tall[margin + x] | (here[x] ^ here[x + ONE])
    if right == rim.size:
        wide[margin + right - ONE] = tall[margin + right - ONE]
    _combine_columns(tall, wide, np.uint64(width), np.uint64(start), np.uint64(stop), rim)


@compiled
def _combine_columns(tall: Labels, wide: Labels, width: np.uint64, start: np.uint64, stop: np.uint64, rim: Labels) -> None:
    """Combine the columns within `width` of each pixel, and the label changes between them; outside the frame all are 0."""
    margin = np.uint64(MAX_WIDTH)
    for x in range(start, stop):
        rim[x] = tall[margin + width + x] | wide[margin + x] | wide[margin - ONE + x]
    for shift in range(np.uint64(2), width + ONE):
        for x in range(start, stop):
            rim[x] |= wide[margin - shift + x] | wide[margin + shift - ONE + x]


@inner_contour.backend("cuda")
def _inner_contour_cuda(labels: Labels, width: int, *, out: Labels | None = None) -> Any:
    result = out_or_device_array(out, labels.shape, np.uint8, labels)
    launch("inner_contour", copy_if_same_memory(labels, result), *labels.shape, width, result)
    return result
