"""Finds the connected regions of a label map from its runs: stretches of one label in a row, joined from row to row.

K. Wu, E. Otoo, K. Suzuki, "Optimizing two-pass connected-component labeling algorithms", Pattern Analysis and Applications 12,
2009: union-find with path compression and the lower root as representative, here over runs instead of pixels.
"""

import numpy as np
import numpy.typing as npt

from rtseg.frame import Labels
from rtseg.kernels.runtime.arrays import as_read_only
from rtseg.kernels.runtime.cpu import compiled

Runs = npt.NDArray[np.int32]  # (n, 3): start, stop, label
Indices = npt.NDArray[np.int32]

SPAN, STRIDE = np.uint64(32), np.uint64(256)  # pixels that a loop compares together
ONE = np.uint64(1)  # unsigned: an index has no sign to check


def label_regions(labels: Labels, diagonal: bool) -> npt.NDArray[np.int64]:
    """Return for each pixel the index of its region's first pixel in raster order, (H, W) int64: the reference.

    Spreads the smallest index until nothing changes.
    """
    regions = np.arange(labels.size, dtype=np.int64).reshape(labels.shape)
    while True:
        before = regions.copy()
        for down, along in [(0, 1), (1, 0), (1, 1), (1, -1)][: 4 if diagonal else 2]:
            here = (slice(0, labels.shape[0] - down), slice(max(0, -along), labels.shape[1] - max(0, along)))
            there = (slice(down, labels.shape[0]), slice(max(0, along), labels.shape[1] - max(0, -along)))
            same = labels[here] == labels[there]
            least = np.minimum(regions[here], regions[there])
            np.copyto(regions[here], least, where=same)
            np.minimum(regions[there], least, out=regions[there], where=same)
        if np.array_equal(before, regions):
            return regions


def find_regions(labels: Labels, diagonal: bool) -> tuple[Runs, Indices, Indices]:
    """Return the runs of a label map (H, W), the index of each row's first run (H + 1,), and each run's region.

    diagonal: labels that touch only at a corner are one region; the background, 0, never is. A region is named by the index of
    its first run.
    """
    runs, rows = find_runs(labels)
    roots = np.arange(len(runs), dtype=np.int32)
    _join_runs(rows, runs, diagonal, roots)
    return runs, rows, as_read_only(roots)


def find_runs(labels: Labels) -> tuple[Runs, Indices]:
    """Return the runs of a nonempty label map (H, W) in raster order, and the index of each row's first run (H + 1,)."""
    source = as_read_only(labels)
    rows = np.empty(len(labels) + 1, np.int32)
    runs = np.empty((_count_runs(source, rows), 3), np.int32)
    _find_runs(source, rows, runs)
    return as_read_only(runs), as_read_only(rows)


@compiled
def _count_runs(labels: Labels, rows: Indices) -> int:
    rows[0] = 0
    for y in range(labels.shape[0]):
        rows[y + 1] = rows[y] + _count_changes(labels[y]) + 1
    return int(rows[labels.shape[0]])


@compiled
def _count_changes(row: Labels) -> int:
    """Count the label changes along a row.

    Most rows have none. Otherwise blocks of 128 pixels are counted, so that a byte suffices.
    """
    label, other = row[0], np.uint8(0)
    for x in range(np.uint64(row.size)):
        other = np.uint8(other | (row[x] ^ label))
    if other == 0:
        return 0
    here, after, changes = row[:-1], row[1:], 0
    for start in range(0, after.size, 128):
        few = np.uint8(0)
        for x in range(np.uint64(start), np.uint64(min(start + 128, after.size))):
            few = np.uint8(few + np.uint8(here[x] != after[x]))
        changes += int(few)
    return changes


@compiled
def _find_runs(labels: Labels, rows: Indices, runs: Runs) -> None:
    for y in range(labels.shape[0]):
        row, run = labels[y], rows[y]
        runs[run, 0], runs[run, 2] = 0, row[0]
        last, x = rows[y + 1] - 1, np.uint64(0)
        while run < last:
            x = _next_change(row, x)
            runs[run, 1] = x
            run += 1
            runs[run, 0], runs[run, 2] = x, row[x]
        runs[last, 1] = row.size


@compiled
def _next_change(row: Labels, x: np.uint64) -> np.uint64:
    """Return the first pixel after x with another label, which must exist."""
    label = row[x]
    x = skip_equal(row, skip_equal(row, x, label, STRIDE), label, SPAN)
    while row[x] == label:
        x += ONE
    return x


@compiled
def skip_equal(row: Labels, start: np.uint64, label: np.uint8, stride: np.uint64) -> np.uint64:
    """Return the start of the first stride from `start` on that holds another label, or the row's length."""
    size = np.uint64(row.size)
    while start < size:
        found, end = np.uint8(0), min(start + stride, size)
        for x in range(start, end):
            found = np.uint8(found | (row[x] ^ label))
        if found:
            return start
        start = end
    return size


@compiled
def _root(roots: Indices, run: int) -> int:
    while roots[run] != run:
        roots[run] = roots[roots[run]]
        run = roots[run]
    return run


@compiled
def _join_runs(rows: Indices, runs: Runs, diagonal: bool, roots: Indices) -> None:
    for y in range(1, rows.size - 1):
        above = rows[y - 1]
        for run in range(rows[y], rows[y + 1]):
            reach = 1 if diagonal and runs[run, 2] else 0
            while runs[above, 1] + reach <= runs[run, 0]:
                above += 1
            near = above
            while near < rows[y] and runs[near, 0] < runs[run, 1] + reach:
                if runs[near, 2] == runs[run, 2]:
                    a, b = _root(roots, near), _root(roots, run)
                    roots[max(a, b)] = min(a, b)
                near += 1
    for run in range(roots.size):
        roots[run] = _root(roots, run)


@compiled
def paint_runs(runs: Runs, rows: Indices, colours: Labels, fresh: bool, result: Labels) -> None:
    """Write each run's new label (n,) to the label map (H, W).

    fresh: the map does not hold the runs' own labels yet, so that every run must be written.
    """
    for y in range(result.shape[0]):
        for run in range(rows[y], rows[y + 1]):
            if not fresh and colours[run] == runs[run, 2]:
                continue
            target, colour = result[y, runs[run, 0] : runs[run, 1]], colours[run]
            for x in range(target.size):
                target[x] = colour
