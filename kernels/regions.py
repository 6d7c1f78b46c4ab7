"""Connected regions of a label map, found by its runs: stretches of one label in one row, joined from row to row.

K. Wu, E. Otoo, K. Suzuki, "Optimizing two-pass connected-component labeling algorithms", Pattern Analysis and Applications 12,
2009: union-find with path compression, the lower root winning, here over runs in place of pixels.
"""

import numpy as np
import numpy.typing as npt

from rtseg.frame import Labels
from rtseg.kernels.cores import compiled
from rtseg.kernels.memory import readable

Runs = npt.NDArray[np.int32]  # (n, 3): start, stop, label
Indices = npt.NDArray[np.int32]


def label_regions(labels: Labels, diagonal: bool) -> npt.NDArray[np.int64]:
    """The truth: for each pixel the index of its region's first pixel, row by row. Spreads the least index until it rests."""
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
    """The runs of a label map (H, W), the runs each row begins with (H + 1,), and for each run its region's first run.

    diagonal: whether labels that touch at a corner alone are one region; the background, 0, never is.
    """
    source = readable(labels)
    rows = np.empty(len(labels) + 1, np.int32)
    runs = np.empty((_count_runs(source, rows), 3), np.int32)
    roots = np.arange(len(runs), dtype=np.int32)
    _find_runs(source, rows, runs)
    _join_runs(readable(rows), readable(runs), diagonal, roots)
    return readable(runs), readable(rows), readable(roots)


@compiled
def _count_runs(labels: Labels, rows: Indices) -> int:
    rows[0] = 0
    for y in range(labels.shape[0]):
        here, after, changes = labels[y], labels[y, 1:], 0
        for x in range(after.size):
            changes += here[x] != after[x]
        rows[y + 1] = rows[y] + changes + 1
    return int(rows[labels.shape[0]])


@compiled
def _find_runs(labels: Labels, rows: Indices, runs: Runs) -> None:
    for y in range(labels.shape[0]):
        row, run = labels[y], rows[y]
        runs[run, 0], runs[run, 2] = 0, row[0]
        last = rows[y + 1] - 1
        x = 0
        while run < last:
            x = _next_change(row, x)
            runs[run, 1] = x
            run += 1
            runs[run, 0], runs[run, 2] = x, row[x]
        runs[last, 1] = row.size


@compiled
def _next_change(row: Labels, x: int) -> int:
    """The first pixel after x of another label, in strides of 32 where there is none; there must be one."""
    label = row[x]
    while x + 32 < row.size:
        other = np.uint8(0)
        for k in range(x, x + 32):
            other |= row[k] ^ label
        if other:
            break
        x += 32
    while row[x] == label:
        x += 1
    return x


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
def paint(runs: Runs, rows: Indices, colours: Labels, result: Labels) -> None:
    """Write each run's colour (n,) into the label map (H, W)."""
    for y in range(result.shape[0]):
        for run in range(rows[y], rows[y + 1]):
            target, colour = result[y, runs[run, 0] : runs[run, 1]], colours[run]
            for x in range(target.size):
                target[x] = colour
