"""Opening and closing with a flat square: the least, then the greatest of a neighbourhood, or the other way round."""

from collections.abc import Iterator

import numpy as np

from rtseg.frame import Image
from rtseg.kernels.cases import planes
from rtseg.kernels.cores import by_rows, compiled
from rtseg.kernels.memory import check_out, check_plane, check_range, placed, readable, room
from rtseg.kernels.registry import Case, kernel

WIDEST = 32  # pixels


def _cases() -> Iterator[Case]:
    for name, image in planes():
        for radius in (0, 1, 2, 6):
            yield Case(f"{name}, {radius}", (image, radius))


def _check(image: Image, radius: int = 2, *, out: Image | None = None) -> None:
    check_plane("a mask or grey image", image)
    check_range("the radius in pixels", radius, 0, WIDEST)
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
    """Columns first, then rows, whole rows at a time."""
    column = np.empty(image.shape[1], np.uint8)
    for y in range(first, end):
        target = result[y]
        for x in range(column.size):
            column[x] = image[y, x]
        for near in range(max(0, y - radius), min(image.shape[0], y + radius + 1)):
            _take(image[near], greatest, column)
        for x in range(column.size):
            target[x] = column[x]
        for shift in range(1, min(radius, column.size - 1) + 1):
            _take(column[shift:], greatest, target[:-shift])
            _take(column[:-shift], greatest, target[shift:])


@compiled
def _take(row: Image, greatest: bool, extreme: Image) -> None:
    if greatest:
        for x in range(extreme.size):
            extreme[x] = max(extreme[x], row[x])
    else:
        for x in range(extreme.size):
            extreme[x] = min(extreme[x], row[x])
