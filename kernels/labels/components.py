"""Removes stray regions and fills holes in label maps."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from rtseg.errors import ConfigError
from rtseg.frame import Labels
from rtseg.kernels.labels.regions import Indices, Runs, find_regions, label_regions, paint_runs
from rtseg.kernels.runtime.arrays import as_read_only, check_count, check_out, check_plane, copy_to_out, out_or_empty
from rtseg.kernels.runtime.cases import label_maps
from rtseg.kernels.runtime.cpu import allocating, compiled
from rtseg.kernels.runtime.device_array import int_scratch_planes, launch_map, scratch_array
from rtseg.kernels.runtime.registry import KernelCase, kernel

EDGE = 256  # stands for the outside of the frame
MANY = 257  # more than one label


def _maps() -> Iterator[tuple[str, Labels]]:
    for shape in [(1, 1), (1, 11), (9, 1), (23, 37)]:
        for name, labels in label_maps(shape):
            yield f"{name} {shape}", labels
    rng = np.random.default_rng(8)
    yield "many small", (rng.random((25, 40)) < 0.4).astype(np.uint8) * rng.integers(1, 3, (25, 40), np.uint8)
    y, x = np.indices((33, 41))
    rings = ((np.hypot(y - 16, x - 20) // 3) % 3).astype(np.uint8)
    yield "rings", rings
    yield "spiral", ((np.hypot(y - 16, x - 20) - 2 * np.arctan2(y - 16, x - 20)) // 6.2832 % 2).astype(np.uint8)
    yield "strided", rings[::-2, 1::3]


def _keep_cases() -> Iterator[KernelCase]:
    for name, labels in _maps():
        yield KernelCase(f"{name}, one", (labels, (1,)))
        yield KernelCase(f"{name}, two", (labels, (2, 255)))


def _check_keep(labels: Labels, single: Sequence[int], *, out: Labels | None = None) -> None:
    check_plane("a label map", labels)
    check_out(out, tuple(labels.shape), np.uint8)
    if not all(0 < label < 256 for label in single):
        raise ConfigError(f"{tuple(single)} are not all labels of classes: give values from 1 to 255")


@kernel(cases=_keep_cases, atol=0, check=_check_keep)
def keep_largest(labels: Labels, single: Sequence[int], *, out: Labels | None = None) -> Labels:
    """Keep only the largest 8-connected region of each label in `single`: (H, W) uint8.

    Of equally large regions the first in raster order stays. `out` may be `labels`. Raises ImageError, ConfigError.
    """
    regions = label_regions(labels, diagonal=True)
    areas = np.bincount(regions.ravel(), minlength=labels.size)
    result = labels.copy()
    for label in single:
        own = np.unique(regions[labels == label])
        if own.size:
            result[(labels == label) & (regions != own[areas[own].argmax()])] = 0
    return copy_to_out(result, out)


@keep_largest.backend("numba")
def _keep_largest_numba(labels: Labels, single: Sequence[int], *, out: Labels | None = None) -> Labels:
    runs, rows, roots = find_regions(labels, diagonal=True)
    chosen = np.zeros(256, np.bool_)
    chosen[list(single)] = True
    areas, colours = _areas(runs, roots), np.empty(len(runs), np.uint8)
    _choose_largest(runs, roots, areas, as_read_only(chosen), colours)
    return _paint_result(runs, rows, colours, labels, out)


def _drop_cases() -> Iterator[KernelCase]:
    for name, labels in _maps():
        for least in (0, 4, 60):
            yield KernelCase(f"{name}, {least}", (labels, least))


def _check_drop(labels: Labels, least: int, *, out: Labels | None = None) -> None:
    check_plane("a label map", labels)
    check_count("the least area in pixels", least, 0, 1 << 30)
    check_out(out, tuple(labels.shape), np.uint8)


@kernel(cases=_drop_cases, atol=0, check=_check_drop)
def drop_small(labels: Labels, least: int, *, out: Labels | None = None) -> Labels:
    """Remove the 8-connected regions of fewer than `least` pixels from a label map (H, W) uint8.

    `out` may be `labels`. Raises ImageError, ConfigError.
    """
    regions = label_regions(labels, diagonal=True)
    areas = np.bincount(regions.ravel(), minlength=labels.size)
    return copy_to_out(np.where(areas[regions] >= least, labels, 0).astype(np.uint8), out)


@drop_small.backend("numba")
def _drop_small_numba(labels: Labels, least: int, *, out: Labels | None = None) -> Labels:
    runs, rows, roots = find_regions(labels, diagonal=True)
    colours = np.where(_areas(runs, roots)[roots] >= least, runs[:, 2], 0).astype(np.uint8)
    return _paint_result(runs, rows, colours, labels, out)


def _fill_cases() -> Iterator[KernelCase]:
    for name, labels in _maps():
        yield KernelCase(name, (labels,))


def _check_fill(labels: Labels, *, out: Labels | None = None) -> None:
    check_plane("a label map", labels)
    check_out(out, tuple(labels.shape), np.uint8)


@kernel(cases=_fill_cases, atol=0, check=_check_fill)
def fill_holes(labels: Labels, *, out: Labels | None = None) -> Labels:
    """Fill each hole in a label map (H, W) uint8 with the label around it. `out` may be `labels`.

    A hole is a 4-connected region of background that does not touch the frame's edge and has only one label as 4-neighbor.
    Raises ImageError.
    """
    regions = label_regions(labels, diagonal=False)
    padded = np.pad(labels.astype(np.int64), 1, constant_values=EDGE)
    result = labels.copy()
    for region in np.unique(regions[labels == 0]):
        inside = regions == region
        wide = np.pad(inside, 1)
        around = [np.roll(wide, step, axis) & ~wide for axis in (0, 1) for step in (1, -1)]
        met = np.unique(padded[np.any(around, axis=0)])
        if met.size == 1 and met[0] != EDGE:
            result[inside] = met[0]
    return copy_to_out(result, out)


@fill_holes.backend("numba")
def _fill_holes_numba(labels: Labels, *, out: Labels | None = None) -> Labels:
    runs, rows, roots = find_regions(labels, diagonal=False)
    colours = np.empty(len(runs), np.uint8)
    _choose_fillings(runs, rows, roots, colours)
    return _paint_result(runs, rows, colours, labels, out)


def _paint_result(runs: Runs, rows: Indices, colours: Labels, labels: Labels, out: Labels | None) -> Labels:
    result = out_or_empty(out, labels.shape, np.uint8)
    paint_runs(runs, rows, as_read_only(colours), result is not labels, result)
    return result


@allocating
def _areas(runs: Runs, roots: Indices) -> Indices:
    """Return the area of each region in pixels, at the index of its first run."""
    areas = np.zeros(roots.size, np.int32)
    for run in range(roots.size):
        areas[roots[run]] += runs[run, 1] - runs[run, 0]
    return areas


@allocating
def _choose_largest(runs: Runs, roots: Indices, areas: Indices, chosen: Labels, colours: Labels) -> None:
    largest = np.full(256, -1, np.int32)
    for run in range(roots.size):
        label = runs[run, 2]
        if roots[run] == run and (largest[label] < 0 or areas[run] > areas[largest[label]]):
            largest[label] = run
    for run in range(roots.size):
        label = runs[run, 2]
        colours[run] = 0 if chosen[label] and roots[run] != largest[label] else label


@allocating
def _choose_fillings(runs: Runs, rows: Indices, roots: Indices, colours: Labels) -> None:
    """Find the neighbor of each background region, then choose the label of each run.

    A neighbor is 0 for none yet, a label, EDGE or MANY.
    """
    met = np.zeros(roots.size, np.int32)
    for y in range(rows.size - 1):
        at_edge = y == 0 or y == rows.size - 2
        above = rows[y - 1] if y else 0
        for run in range(rows[y], rows[y + 1]):
            if at_edge and not runs[run, 2]:
                _note_neighbor(met, roots[run], EDGE)
            _note_row_neighbors(runs, roots, met, run, rows[y], rows[y + 1])
            while y and runs[above, 1] <= runs[run, 0]:
                above += 1
            near = above
            while y and near < rows[y] and runs[near, 0] < runs[run, 1]:
                _note_pair(runs, roots, met, run, near)
                near += 1
    for run in range(roots.size):
        filled = runs[run, 2] == 0 and met[roots[run]] < EDGE
        colours[run] = met[roots[run]] if filled else runs[run, 2]


@compiled
def _note_row_neighbors(runs: Runs, roots: Indices, met: Indices, run: int, first: int, end: int) -> None:
    """Note the runs left and right of a run as neighbors, or the frame's edge."""
    for near in (run - 1, run + 1):
        if first <= near < end:
            _note_pair(runs, roots, met, run, near)
        elif not runs[run, 2]:
            _note_neighbor(met, roots[run], EDGE)


@compiled
def _note_pair(runs: Runs, roots: Indices, met: Indices, run: int, near: int) -> None:
    if runs[run, 2] and not runs[near, 2]:
        _note_neighbor(met, roots[near], runs[run, 2])
    elif runs[near, 2] and not runs[run, 2]:
        _note_neighbor(met, roots[run], runs[near, 2])


@compiled
def _note_neighbor(met: Indices, region: int, label: int) -> None:
    met[region] = label if met[region] == 0 or met[region] == label else MANY


@keep_largest.backend("cuda")
def _keep_largest_cuda(labels: Labels, single: Sequence[int], *, out: Labels | None = None) -> Any:
    chosen = np.zeros(256, np.uint8)
    chosen[list(single)] = 1
    roots, areas = int_scratch_planes(labels, 2)
    bits = np.packbits(chosen, bitorder="little")
    return launch_map("keep_largest", labels, out, bits, roots, areas, scratch_array(labels, (256,), np.uint64))


@drop_small.backend("cuda")
def _drop_small_cuda(labels: Labels, least: int, *, out: Labels | None = None) -> Any:
    return launch_map("drop_small", labels, out, least, *int_scratch_planes(labels, 2))


@fill_holes.backend("cuda")
def _fill_holes_cuda(labels: Labels, *, out: Labels | None = None) -> Any:
    return launch_map("fill_holes", labels, out, *int_scratch_planes(labels, 3))
