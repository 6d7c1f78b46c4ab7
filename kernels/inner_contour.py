"""The rim of each class: the pixels of a label from which another label is near."""

from collections.abc import Iterator

import numpy as np

from rtseg.frame import Labels
from rtseg.kernels.cases import images, label_maps
from rtseg.kernels.cores import by_rows, compiled
from rtseg.kernels.memory import apart, check_count, check_out, check_plane, placed, room
from rtseg.kernels.registry import Case, kernel

WIDEST = 32  # pixels


def _cases() -> Iterator[Case]:
    for shape in sorted({image.shape[:2] for _, image in images()}):
        for name, labels in label_maps(shape):
            for width in (0, 1, 2, 5):
                yield Case(f"{name} {shape}, {width} wide", (labels, width))
    yield Case("strided", (np.indices((40, 60)).sum(0).astype(np.uint8)[::2, ::-3] // 9, 2))


def _check(labels: Labels, width: int, *, out: Labels | None = None) -> None:
    check_plane("a label map", labels)
    check_count("the contour's width", width, 0, WIDEST)
    check_out(out, tuple(labels.shape), np.uint8)


@kernel(cases=_cases, atol=0, check=_check)
def inner_contour(labels: Labels, width: int, *, out: Labels | None = None) -> Labels:
    """The labels (H, W) uint8 of the pixels that have another label within `width` pixels, 0 elsewhere.

    Within means in the 8-neighbourhood, `width` times over: in a square of 2 * width + 1. What lies beyond the frame is no
    label, so that a class which is cut off by the frame's edge has no contour there. Raises ImageError, ConfigError.
    """
    lowest, highest = labels.copy(), labels.copy()
    for down in range(-width, width + 1):
        for along in range(-width, width + 1):
            here, there = _overlap(labels.shape[0], down), _overlap(labels.shape[1], along)
            near = labels[here[1], there[1]]
            np.minimum(lowest[here[0], there[0]], near, out=lowest[here[0], there[0]])
            np.maximum(highest[here[0], there[0]], near, out=highest[here[0], there[0]])
    return placed(np.where(lowest != highest, labels, 0).astype(np.uint8), out)


def _overlap(size: int, shift: int) -> tuple[slice, slice]:
    """The indices of an axis that have a neighbour `shift` on, and those neighbours."""
    count = max(0, size - abs(shift))
    start = max(0, -shift)
    return slice(start, start + count), slice(start + shift, start + shift + count)


@inner_contour.backend("numba")
def _inner_contour_numba(labels: Labels, width: int, *, out: Labels | None = None) -> Labels:
    source = apart(labels, out)
    result = room(out, labels.shape, np.uint8)
    by_rows(labels.shape[0], labels.shape[1], lambda first, end: _contour_rows(source, width, result, first, end))
    return result


@compiled
def _contour_rows(labels: Labels, width: int, result: Labels, first: int, end: int) -> None:
    rim = np.empty(labels.shape[1], np.uint8)
    spare = np.empty((4, labels.shape[1]), np.uint8)
    for y in range(first, end):
        mark_rim(labels, y, width, spare, rim)
        for x in range(rim.size):
            result[y, x] = labels[y, x] if rim[x] else np.uint8(0)


@compiled
def mark_rim(labels: Labels, y: int, width: int, spare: Labels, rim: Labels) -> None:
    """Write into rim (W,) whether each pixel of row y has another label near it; spare: (4, W) to work in.

    A square's least and greatest label differ where it holds two: columns first, then rows, whole rows at a time.
    """
    low, high, lowest, highest = spare[0], spare[1], spare[2], spare[3]
    for x in range(rim.size):
        low[x] = high[x] = labels[y, x]
    for near in range(max(0, y - width), min(labels.shape[0], y + width + 1)):
        _widen(low, high, labels[near], labels[near])
    for x in range(rim.size):
        lowest[x], highest[x] = low[x], high[x]
    for shift in range(1, min(width, rim.size - 1) + 1):
        _widen(lowest[:-shift], highest[:-shift], low[shift:], high[shift:])
        _widen(lowest[shift:], highest[shift:], low[:-shift], high[:-shift])
    for x in range(rim.size):
        rim[x] = lowest[x] != highest[x]


@compiled
def _widen(low: Labels, high: Labels, near_low: Labels, near_high: Labels) -> None:
    """Let the ranges low..high take in the ranges near_low..near_high, element by element."""
    for x in range(near_low.size):
        low[x] = min(low[x], near_low[x])
        high[x] = max(high[x], near_high[x])
