"""Contrast-limited adaptive histogram equalisation.

K. Zuiderveld, "Contrast limited adaptive histogram equalization", Graphics Gems IV, 1994: each tile's histogram is clipped at
`limit` times its mean, what was cut is shared out evenly, and a pixel is mapped by the four nearest tiles, bilinearly.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from rtseg.frame import Image
from rtseg.kernels.cases import planes
from rtseg.kernels.cores import by_rows, making
from rtseg.kernels.memory import check_count, check_out, check_plane, check_range, grey_levels, placed, readable, room
from rtseg.kernels.registry import Case, kernel

Floats = npt.NDArray[np.float32]


def _cases() -> Iterator[Case]:
    for name, image in planes():
        for limit, tiles in [(2.0, 8), (1.0, 3), (40.0, 1), (1000.0, 5)]:
            yield Case(f"{name}, {limit}, {tiles}", (image, limit, tiles))


def _check(image: Image, limit: float = 2.0, tiles: int = 8, *, out: Image | None = None) -> None:
    check_plane("a grey image", image)
    check_range("the limit", limit, 1, 1e6)
    check_count("the number of tiles along a side", tiles, 1, 64)
    check_out(out, tuple(image.shape), np.uint8)


@kernel(cases=_cases, atol=1, check=_check)
def clahe(image: Image, limit: float = 2.0, tiles: int = 8, *, out: Image | None = None) -> Image:
    """A grey image (H, W) uint8 with its contrast evened out, alike.

    limit: how many times the mean a histogram's bin may hold; more of it gives more contrast, 1 almost none. tiles: along each
    side. Raises ImageError, ConfigError.
    """
    rows, columns = _edges(image.shape[0], tiles), _edges(image.shape[1], tiles)
    maps = np.array([[_map(image[a:b, c:d], limit) for c, d in columns] for a, b in rows])
    (above, down), (left, along) = _between(image.shape[0], len(rows)), _between(image.shape[1], len(columns))
    below, right = np.minimum(above + 1, len(rows) - 1), np.minimum(left + 1, len(columns) - 1)
    upper = maps[above[:, None], left, image] * (1 - along) + maps[above[:, None], right, image] * along
    lower = maps[below[:, None], left, image] * (1 - along) + maps[below[:, None], right, image] * along
    return placed(grey_levels(upper * (1 - down[:, None]) + lower * down[:, None]), out)


def _edges(size: int, tiles: int) -> list[tuple[int, int]]:
    """Where the tiles of an axis begin and end; an axis shorter than `tiles` has one for each pixel."""
    count = min(size, tiles)
    return [(tile * size // count, (tile + 1) * size // count) for tile in range(count)]


def _map(tile: Image, limit: float) -> npt.NDArray[np.float64]:
    """The grey level that each of the 256 becomes."""
    counts = np.bincount(tile.ravel(), minlength=256).astype(np.float64)
    most = limit * tile.size / 256
    clipped = np.minimum(counts, most)
    mapped: npt.NDArray[np.float64] = (clipped + (counts - clipped).sum() / 256).cumsum() * 255 / tile.size
    return mapped


def _between(size: int, tiles: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """For each pixel of an axis the tile whose centre lies before it, and how far on to the next it is."""
    at = np.clip((np.arange(size) + 0.5) * tiles / size - 0.5, 0, tiles - 1)
    before = np.floor(at).astype(np.int64)
    return before, at - before


@clahe.backend("numba")
def _clahe_numba(image: Image, limit: float = 2.0, tiles: int = 8, *, out: Image | None = None) -> Image:
    height, width = image.shape
    result, source = room(out, image.shape, np.uint8), readable(image)
    rows, columns = np.array(_edges(height, tiles)), np.array(_edges(width, tiles))
    (above, down), (left, along) = _between(height, len(rows)), _between(width, len(columns))
    share = along.astype(np.float32)
    maps = np.empty((len(rows), len(columns), 256), np.float32)
    by_rows(
        len(rows), height * width // len(rows), lambda first, end: _map_tiles(source, rows, columns, limit, maps, first, end)
    )
    starts = np.searchsorted(left, np.arange(len(columns) + 1))

    def band(first: int, end: int) -> None:
        _map_rows(source, maps, above, down, starts, share, result, first, end)

    by_rows(height, 4 * width, band)
    return result


@making
def _map_tiles(
    image: Image,
    rows: npt.NDArray[np.int64],
    columns: npt.NDArray[np.int64],
    limit: float,
    maps: Floats,
    first: int,
    end: int,
) -> None:
    """As `_map`, for rows first..end of tiles."""
    for row in range(first, end):
        for column in range(columns.shape[0]):
            counts = np.zeros(256, np.int64)
            for y in range(rows[row, 0], rows[row, 1]):
                line = image[y, columns[column, 0] : columns[column, 1]]
                for x in range(line.size):
                    counts[line[x]] += 1
            size = counts.sum()
            most, cut = limit * size / 256, 0.0
            for level in range(256):
                cut += max(counts[level] - most, 0.0)
            total = 0.0
            for level in range(256):
                total += min(np.float64(counts[level]), most) + cut / 256
                maps[row, column, level] = total * 255 / size


@making
def _map_rows(
    image: Image,
    maps: Floats,
    above: npt.NDArray[np.int64],
    down: npt.NDArray[np.float64],
    starts: npt.NDArray[np.int64],
    along: Floats,
    result: Image,
    first: int,
    end: int,
) -> None:
    """The maps of two rows of tiles are mixed once for each row of pixels, so that a pixel looks up two and not four."""
    tiles = maps.shape[1]
    mixed = np.empty((tiles, 256), np.float32)
    for y in range(first, end):
        share, below = np.float32(down[y]), min(above[y] + 1, maps.shape[0] - 1)
        for tile in range(tiles):
            upper, lower, target = maps[above[y], tile], maps[below, tile], mixed[tile]
            for level in range(256):
                target[level] = upper[level] + (lower[level] - upper[level]) * share
        for tile in range(tiles):
            near, next_one = mixed[tile], mixed[min(tile + 1, tiles - 1)]
            for x in range(starts[tile], starts[tile + 1]):
                level = image[y, x]
                result[y, x] = np.uint8(near[level] + (next_one[level] - near[level]) * along[x] + np.float32(0.5))
