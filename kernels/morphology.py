"""Opening and closing with a flat square: the least, then the greatest of a neighbourhood, or the other way round."""

from collections.abc import Iterator

import numpy as np

from rtseg.frame import Image
from rtseg.kernels.cases import planes
from rtseg.kernels.cores import by_rows, compiled
from rtseg.kernels.memory import check_count, check_out, check_plane, placed, readable, room
from rtseg.kernels.registry import Case, kernel

WIDEST = 32  # pixels


def _cases() -> Iterator[Case]:
    for name, image in planes():
        for radius in (0, 1, 2, 6):
            yield Case(f"{name}, {radius}", (image, radius))


def _check(image: Image, radius: int = 2, *, out: Image | None = None) -> None:
    check_plane("a mask or grey image", image)
    check_count("the radius in pixels", radius, 0, WIDEST)
    check_out(out, tuple(image.shape), np.uint8)


@kernel(cases=_cases, atol=0, check=_check)
def opening(image: Image, radius: int = 2, *, out: Image | None = None) -> Image:
    """A mask or grey image (H, W) uint8 without bright parts narrower than 2 * radius + 1 pixels. `out` may be `image`.

    Raises ImageError, ConfigError.
    """
    return placed(_extreme(_extreme(image, radius, np.minimum), radius, np.maximum), out)


@kernel(cases=_cases, atol=0, check=_check)
def closing(image: Image, radius: int = 2, *, out: Image | None = None) -> Image:
    """A mask or grey image (H, W) uint8 without dark parts narrower than 2 * radius + 1 pixels. `out` may be `image`.

    Raises ImageError, ConfigError.
    """
    return placed(_extreme(_extreme(image, radius, np.maximum), radius, np.minimum), out)


def _extreme(image: Image, radius: int, choose: np.ufunc) -> Image:
    """The least or the greatest of each square; what lies beyond the frame does not count."""
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
    source, between = readable(image), np.empty(image.shape, np.uint8)
    by_rows(
        image.shape[0], image.shape[1], lambda first, end: _extreme_rows(source, radius, greatest_first, between, first, end)
    )
    halfway, result = readable(between), room(out, image.shape, np.uint8)
    by_rows(
        image.shape[0],
        image.shape[1],
        lambda first, end: _extreme_rows(halfway, radius, not greatest_first, result, first, end),
    )
    return result


@compiled
def _extreme_rows(image: Image, radius: int, greatest: bool, result: Image, first: int, end: int) -> None:
    """Columns first, then rows, whole rows at a time and two of them at once: one that is met twice changes nothing."""
    width = result.shape[1]
    column = np.empty(width + 2 * radius, np.uint8)
    inside = column[radius : radius + width]
    for y in range(first, end):
        last = min(image.shape[0] - 1, y + radius)
        _copy(image[last], inside)
        for near in range(max(0, y - radius), last, 2):
            _take(image[near], image[min(near + 1, last)], greatest, inside)
        for x in range(radius):
            column[x], column[radius + width + x] = inside[0], inside[width - 1]
        target = result[y]
        _copy(column[2 * radius :], target)
        for shift in range(0, 2 * radius, 2):
            _take(column[shift:], column[shift + 1 :], greatest, target)


@compiled
def _copy(row: Image, target: Image) -> None:
    for x in range(target.size):
        target[x] = row[x]


@compiled
def _take(one: Image, other: Image, greatest: bool, extreme: Image) -> None:
    if greatest:
        for x in range(extreme.size):
            extreme[x] = max(extreme[x], one[x], other[x])
    else:
        for x in range(extreme.size):
            extreme[x] = min(extreme[x], one[x], other[x])
