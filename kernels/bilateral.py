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
from rtseg.kernels.cores import by_rows, compiled
from rtseg.kernels.falling import falling
from rtseg.kernels.memory import bordered, check_filter, check_range, grey_levels, placed, readable, room, windows
from rtseg.kernels.moments import SIZES
from rtseg.kernels.registry import Case, kernel

Floats = npt.NDArray[np.float32]


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
    by_rows(image.shape[0], image.shape[1], lambda first, end: _bilateral_rows(padded, near, sharpness, result, first, end))
    return result


@compiled
def _bilateral_rows(padded: Image, near: Floats, sharpness: np.float32, result: Image, first: int, end: int) -> None:
    size = near.shape[0]
    levels = np.empty((size, padded.shape[1]), np.float32)
    above, below = np.empty(result.shape[1], np.float32), np.empty(result.shape[1], np.float32)
    for y in range(first, end):
        for k in range(size if y == first else 1):  # the rows of a window go round: each is converted once
            row = y + size - 1 - k
            _copy(padded[row], levels[row % size])
        middle, target = levels[(y + size // 2) % size, size // 2 :], result[y]
        for x in range(target.size):
            above[x], below[x] = 0, 0
        for k in range(size * size):
            if near[k // size, k % size] > 0:
                _add_tap(levels[(y + k // size) % size, k % size :], middle, near[k // size, k % size], sharpness, above, below)
        for x in range(target.size):
            target[x] = np.uint8(above[x] / below[x] + np.float32(0.5))


@compiled
def _copy(row: Image, levels: Floats) -> None:
    for x in range(levels.size):
        levels[x] = np.float32(row[x])


@compiled
def _add_tap(seen: Floats, middle: Floats, near: np.float32, sharpness: np.float32, above: Floats, below: Floats) -> None:
    for x in range(above.size):
        difference = seen[x] - middle[x]
        weight = near * falling(difference * difference * sharpness)
        above[x] += weight * seen[x]
        below[x] += weight
