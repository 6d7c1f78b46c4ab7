"""Applies contrast-limited adaptive histogram equalization (CLAHE).

K. Zuiderveld, "Contrast limited adaptive histogram equalization", Graphics Gems IV, 1994: each tile's histogram is clipped at
`limit` times its mean, and the excess is distributed evenly. A pixel is mapped by the four nearest tiles, bilinearly.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.frame import Image
from rtseg.kernels.runtime.arrays import (
    as_read_only,
    check_count,
    check_out,
    check_plane,
    check_range,
    copy_to_out,
    out_or_empty,
    round_to_uint8,
)
from rtseg.kernels.runtime.cases import gray_images
from rtseg.kernels.runtime.cpu import compiled, fused, run_row_bands
from rtseg.kernels.runtime.cuda import launch
from rtseg.kernels.runtime.device_array import out_or_device_array, scratch_array
from rtseg.kernels.runtime.registry import KernelCase, kernel

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]


def _cases() -> Iterator[KernelCase]:
    for name, image in gray_images():
        for limit, tiles in [(2.0, 8), (1.0, 3), (40.0, 1), (1000.0, 5)]:
            yield KernelCase(f"{name}, {limit}, {tiles}", (image, limit, tiles))


def _check(image: Image, limit: float = 2.0, tiles: int = 8, *, out: Image | None = None) -> None:
    check_plane("a grey image", image)
    check_range("the limit", limit, 1, 1e6)
    check_count("the number of tiles along a side", tiles, 1, 64)
    check_out(out, tuple(image.shape), np.uint8)


@kernel(cases=_cases, atol=1, check=_check)
def clahe(image: Image, limit: float = 2.0, tiles: int = 8, *, out: Image | None = None) -> Image:
    """Equalize the contrast of a gray image (H, W) uint8; the result has the same shape and dtype.

    limit: of a histogram bin, in multiples of the mean; a higher one gives more contrast, 1 almost none. tiles: along each
    side. Raises ImageError, ConfigError.
    """
    rows, columns = _edges(image.shape[0], tiles), _edges(image.shape[1], tiles)
    maps = np.array([[_equalization_map(image[a:b, c:d], limit) for c, d in columns] for a, b in rows])
    (above, down), (left, along) = _neighbor_tiles(image.shape[0], len(rows)), _neighbor_tiles(image.shape[1], len(columns))
    below, right = np.minimum(above + 1, len(rows) - 1), np.minimum(left + 1, len(columns) - 1)
    upper = maps[above[:, None], left, image] * (1 - along) + maps[above[:, None], right, image] * along
    lower = maps[below[:, None], left, image] * (1 - along) + maps[below[:, None], right, image] * along
    return copy_to_out(round_to_uint8(upper * (1 - down[:, None]) + lower * down[:, None]), out)


def _edges(size: int, tiles: int) -> list[tuple[int, int]]:
    """Return the start and end of each tile of an axis; an axis shorter than `tiles` has one per pixel."""
    count = min(size, tiles)
    return [(tile * size // count, (tile + 1) * size // count) for tile in range(count)]


def _equalization_map(tile: Image, limit: float) -> npt.NDArray[np.float64]:
    """Return the new gray level of each of the 256 levels, (256,) float64."""
    counts = np.bincount(tile.ravel(), minlength=256).astype(np.float64)
    most = limit * tile.size / 256
    clipped = np.minimum(counts, most)
    mapped: npt.NDArray[np.float64] = (clipped + (counts - clipped).sum() / 256).cumsum() * 255 / tile.size
    return mapped


def _neighbor_tiles(size: int, tiles: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return for each pixel of an axis the tile whose center lies before it, and the fraction of the way to the next."""
    at = np.clip((np.arange(size) + 0.5) * tiles / size - 0.5, 0, tiles - 1)
    before = np.floor(at).astype(np.int64)
    return before, at - before


@clahe.backend("numba")
def _clahe_numba(image: Image, limit: float = 2.0, tiles: int = 8, *, out: Image | None = None) -> Image:
    height, width = image.shape
    result, source = out_or_empty(out, image.shape, np.uint8), as_read_only(image)
    rows, above, down, _ = _axis(height, tiles)
    columns, _, along, starts = _axis(width, tiles)
    maps = np.empty((len(rows), len(columns), 256), np.float32)

    def tiles_between(first: int, end: int) -> None:
        _map_tiles(source, rows, columns, limit, np.empty(256, np.int32), maps, first, end)

    def band(first: int, end: int) -> None:
        _map_rows(source, maps, above, down, starts, along, np.empty(maps.shape[1:], np.float32), result, first, end)

    run_row_bands(len(rows), height * width // len(rows), tiles_between)
    run_row_bands(height, 4 * width, band)
    return result


@lru_cache(maxsize=32)
def _axis(size: int, tiles: int) -> tuple[Indices, Indices, Floats, Indices]:
    """Return the tiles' edges, the result of `_neighbor_tiles`, and the first pixel after each tile's center.

    The arrays are cached and read-only.
    """
    edges = np.array(_edges(size, tiles))
    before, share = _neighbor_tiles(size, len(edges))
    starts = np.searchsorted(before, np.arange(len(edges) + 1))
    return as_read_only(edges), as_read_only(before), as_read_only(share.astype(np.float32)), as_read_only(starts)


@compiled
def _map_tiles(
    image: Image, rows: Indices, columns: Indices, limit: float, counts: Counts, maps: Floats, first: int, end: int
) -> None:
    """Write the map of each tile in rows first..end of tiles, as `_equalization_map` does.

    counts: (256,), scratch.
    """
    for row in range(first, end):
        for column in range(columns.shape[0]):
            counts[:] = 0
            for y in range(rows[row, 0], rows[row, 1]):
                line = image[y, columns[column, 0] : columns[column, 1]]
                for x in range(np.uint64(line.size)):
                    counts[line[x]] += 1
            size = (rows[row, 1] - rows[row, 0]) * (columns[column, 1] - columns[column, 0])
            _equalize_histogram(counts, size, limit * size / 256, maps[row, column])


@fused
def _equalize_histogram(counts: Counts, size: int, most: float, levels: Floats) -> None:
    """Write the new gray level of each of the 256 levels.

    The sums are integers, since a chain of float additions has a longer latency.
    """
    over, many = 0, 0
    for level in range(256):
        if counts[level] > most:
            over, many = over + counts[level], many + 1
    share, gain = (over - many * most) / 256, 255.0 / size
    below, full = 0, 0
    for level in range(256):
        if counts[level] > most:
            full += 1
        else:
            below += counts[level]
        levels[level] = (below + full * most + (level + 1) * share) * gain


@compiled
def _map_rows(
    image: Image,
    maps: Floats,
    above: Indices,
    down: Floats,
    starts: Indices,
    along: Floats,
    mixed: Floats,  # (tiles, 256), scratch
    result: Image,
    first: int,
    end: int,
) -> None:
    """Map rows first..end: mix the maps of two rows of tiles once per row, so that a pixel needs two lookups, not four."""
    tiles = maps.shape[1]
    for y in range(first, end):
        share, below = down[y], min(above[y] + 1, maps.shape[0] - 1)
        for tile in range(tiles):
            _mix_maps(maps[above[y], tile], maps[below, tile], share, mixed[tile])
        for tile in range(tiles):
            start, stop = starts[tile], starts[tile + 1]
            _apply_maps(
                image[y, start:stop], mixed[tile], mixed[min(tile + 1, tiles - 1)], along[start:stop], result[y, start:stop]
            )


@fused
def _mix_maps(upper: Floats, lower: Floats, share: np.float32, mixed: Floats) -> None:
    """Write the map between two vertically adjacent tiles."""
    for level in range(256):
        mixed[level] = upper[level] + (lower[level] - upper[level]) * share


@fused
def _apply_maps(line: Image, near: Floats, behind: Floats, along: Floats, result: Image) -> None:
    """Map pixels between two horizontally adjacent tiles."""
    for x in range(np.uint64(line.size)):
        level = line[x]
        result[x] = np.uint8(near[level] + (behind[level] - near[level]) * along[x] + np.float32(0.5))


@clahe.backend("cuda")
def _clahe_cuda(image: Image, limit: float = 2.0, tiles: int = 8, *, out: Image | None = None) -> Any:
    rows, columns = (min(side, tiles) for side in image.shape)
    result = out_or_device_array(out, image.shape, np.uint8, image)
    launch("clahe", image, *image.shape, limit, rows, columns, scratch_array(image, (rows, columns, 256), np.float32), result)
    return result
