"""The bilateral filter: a mean over near pixels of a like grey.

C. Tomasi, R. Manduchi, "Bilateral filtering for gray and color images", ICCV 1998:
weight = exp(-distance^2 / (2 reach^2)) exp(-difference^2 / (2 contrast^2)), over a disc.
"""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from rtseg.frame import Image
from rtseg.kernels.cases import planes
from rtseg.kernels.cores import by_rows, compiled, fused
from rtseg.kernels.falling import falling
from rtseg.kernels.memory import bordered, check_filter, check_range, grey_levels, placed, readable, room, windows
from rtseg.kernels.moments import SIZES
from rtseg.kernels.registry import Case, kernel

Floats = npt.NDArray[np.float32]
Pair = tuple[np.float32, np.float32]  # the sums above and below a fraction's bar
Sums = tuple[Floats, Floats, Floats, Floats]


def _cases() -> Iterator[Case]:
    for name, image in planes():
        for size, contrast, reach in [(5, 30.0, 2.0), (3, 5.0, 1.0), (9, 80.0, 9.0), (7, 1000.0, 0.5)]:
            yield Case(f"{name}, {size}, {contrast}, {reach}", (image, size, contrast, reach))


def _check(image: Image, size: int = 5, contrast: float = 30.0, reach: float = 2.0, *, out: Image | None = None) -> None:
    check_filter(image, size, SIZES, out)
    check_range("the contrast in grey levels", contrast, 0.1, 1e4)
    check_range("the reach in pixels", reach, 0.1, 1e4)


@kernel(cases=_cases, atol=1, check=_check)
def bilateral(image: Image, size: int = 5, contrast: float = 30.0, reach: float = 2.0, *, out: Image | None = None) -> Image:
    """A grey image (H, W) uint8, smooth but for its edges, alike.

    size: the disc's diameter in pixels, odd, 3 to 15. contrast: the deviation of greys that are alike, in grey levels; more of
    it smooths more. reach: the deviation of distances, in pixels. Raises ImageError, ConfigError.
    """
    seen, near = windows(image, size), _nearness(size, reach)
    weights = np.exp(-((seen - image[..., None, None]) ** 2) / (2 * contrast**2)) * near
    return placed(grey_levels((weights * seen).sum((2, 3)) / weights.sum((2, 3))), out)


def _nearness(size: int, reach: float) -> npt.NDArray[np.float64]:
    """The weights by distance (size, size), 0 outside the disc."""
    y, x = np.indices((size, size)) - size // 2
    near: npt.NDArray[np.float64] = np.where(y**2 + x**2 <= (size // 2) ** 2, np.exp(-(y**2 + x**2) / (2 * reach**2)), 0)
    return near


@lru_cache(maxsize=8)
def _near_taps(size: int, reach: float) -> Floats:
    return readable(_nearness(size, reach).astype(np.float32))


@bilateral.backend("numba")
def _bilateral_numba(
    image: Image, size: int = 5, contrast: float = 30.0, reach: float = 2.0, *, out: Image | None = None
) -> Image:
    result, padded, near = room(out, image.shape, np.uint8), bordered(image, size // 2), _near_taps(size, reach)
    sharpness = np.float32(1 / (2 * contrast**2))
    rows = _rows_of_5 if size == 5 else _rows
    by_rows(image.shape[0], image.shape[1] * size, lambda first, end: rows(padded, near, sharpness, result, first, end))
    return result


@fused
def _rows_of_5(padded: Image, near: Floats, sharpness: np.float32, result: Image, first: int, end: int) -> None:
    """Rows first..end with the disc of 13 pixels, whose sums stay in registers."""
    beside, across, beyond = near[2, 1], near[1, 1], near[2, 0]
    levels = np.empty((5, padded.shape[1]), np.float32)
    for k in range(4):
        _convert(padded[first + k], levels[(first + k) % 5])
    for y in range(first, end):
        _convert(padded[y + 4], levels[(y + 4) % 5])
        a, b, c, d, e = levels[y % 5], levels[(y + 1) % 5], levels[(y + 2) % 5], levels[(y + 3) % 5], levels[(y + 4) % 5]
        target = result[y]
        for x in range(target.size):
            value = c[x + 2]
            sums = value, np.float32(1)
            sums = _weigh(value, b[x + 2], beside, sharpness, sums)
            sums = _weigh(value, d[x + 2], beside, sharpness, sums)
            sums = _weigh(value, c[x + 1], beside, sharpness, sums)
            sums = _weigh(value, c[x + 3], beside, sharpness, sums)
            sums = _weigh(value, b[x + 1], across, sharpness, sums)
            sums = _weigh(value, b[x + 3], across, sharpness, sums)
            sums = _weigh(value, d[x + 1], across, sharpness, sums)
            sums = _weigh(value, d[x + 3], across, sharpness, sums)
            sums = _weigh(value, a[x + 2], beyond, sharpness, sums)
            sums = _weigh(value, e[x + 2], beyond, sharpness, sums)
            sums = _weigh(value, c[x], beyond, sharpness, sums)
            sums = _weigh(value, c[x + 4], beyond, sharpness, sums)
            target[x] = np.uint8(sums[0] / sums[1] + np.float32(0.5))


@fused
def _weigh(value: np.float32, other: np.float32, near: np.float32, sharpness: np.float32, sums: Pair) -> Pair:
    difference = other - value
    weight = near * falling(difference * difference * sharpness)
    return sums[0] + weight * other, sums[1] + weight


@compiled
def _rows(padded: Image, near: Floats, sharpness: np.float32, result: Image, first: int, end: int) -> None:
    """Rows first..end. Two pixels weigh each other alike, so a row is met with those below it alone, for both at once.

    The rows that a window reaches down to go round in `levels` and in the sums `above` and `below` the fraction's bar.
    """
    radius, width = near.shape[0] // 2, padded.shape[1]
    levels = np.empty((radius + 1, width), np.float32)
    above, below = np.empty((radius + 1, width), np.float32), np.empty((radius + 1, width), np.float32)
    for y in range(first - radius, end):
        for k in range(radius + 1) if y == first - radius else range(radius, radius + 1):
            slot = (y + k) % (radius + 1)
            _begin(padded[y + radius + k], levels[slot], above[slot], below[slot])
        here = y % (radius + 1)
        for along in range(-radius, radius + 1):
            for down in range(radius + 1):
                weight, there = near[radius + down, radius + along], (y + down) % (radius + 1)
                start, stop = max(0, -along), width - max(0, along)
                one, other = slice(start, stop), slice(start + along, stop + along)
                if weight > 0 and down > 0:
                    sums = above[here, one], below[here, one], above[there, other], below[there, other]
                    _meet(levels[here, one], levels[there, other], weight, sharpness, sums)
                elif weight > 0 and along != 0:
                    _look(levels[here, one], levels[here, other], weight, sharpness, above[here, one], below[here, one])
        if y >= first:
            for x in range(result.shape[1]):
                result[y, x] = np.uint8(above[here, x + radius] / below[here, x + radius] + np.float32(0.5))


@compiled
def _convert(row: Image, levels: Floats) -> None:
    for x in range(levels.size):
        levels[x] = np.float32(row[x])


@compiled
def _begin(row: Image, levels: Floats, above: Floats, below: Floats) -> None:
    """Each pixel begins with itself."""
    for x in range(levels.size):
        levels[x] = above[x] = np.float32(row[x])
        below[x] = 1


@fused
def _meet(one: Floats, other: Floats, near: np.float32, sharpness: np.float32, sums: Sums) -> None:
    above, below, other_above, other_below = sums
    for x in range(one.size):
        difference = one[x] - other[x]
        weight = near * falling(difference * difference * sharpness)
        above[x] += weight * other[x]
        below[x] += weight
        other_above[x] += weight * one[x]
        other_below[x] += weight


@fused
def _look(one: Floats, other: Floats, near: np.float32, sharpness: np.float32, above: Floats, below: Floats) -> None:
    for x in range(one.size):
        difference = one[x] - other[x]
        weight = near * falling(difference * difference * sharpness)
        above[x] += weight * other[x]
        below[x] += weight
