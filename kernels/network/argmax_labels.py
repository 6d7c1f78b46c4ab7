"""Turns logits into a label map of the frame: bilinear upsampling and argmax in one pass."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.frame import Labels
from rtseg.kernels.network.fit import Box, Fit, check_inside, letterbox
from rtseg.kernels.network.logits import (
    Floats,
    NodePositions,
    Nodes,
    finite_logit,
    finite_logits,
    node_positions,
    nodes_in_fit,
    threshold_logit,
)
from rtseg.kernels.runtime import cases
from rtseg.kernels.runtime.arrays import as_read_only, check_logits, check_out, copy_to_out, out_or_empty
from rtseg.kernels.runtime.cpu import compiled, run_row_bands
from rtseg.kernels.runtime.cuda import c_ints, launch
from rtseg.kernels.runtime.device_array import out_or_device_array
from rtseg.kernels.runtime.registry import KernelCase, kernel

Edges = npt.NDArray[np.int64]  # of pixels

_FILL_SPEEDUP = 4  # pixels of one class that are filled in the time of one interpolation
UNCERTAIN = 255  # marks a node, or a cell of four nodes, whose class rounding could change
ROUNDING_MARGIN = np.float32(1e-5)  # relative to the largest logit: well above the rounding error of interpolation


def _cases() -> Iterator[KernelCase]:
    for shape, size in [((37, 53), (32, 24)), ((5, 4), (16, 16)), ((1, 1), (8, 8)), ((1, 40), (8, 16)), ((90, 70), (8, 12))]:
        height, width = shape
        fits = [("whole", letterbox((0, 0, height, width), size))]
        fits += [("crop", letterbox((height // 3, width // 4, height - height // 3, width - width // 2), size))]
        for classes in (1, 2, 4):
            for stride in (1, 4):
                for name, logits in cases.logits(classes, (size[0] // stride, size[1] // stride)):
                    for fit_name, fit in fits:
                        threshold = {"threshold": 0.7} if fit_name == "crop" else {}
                        yield KernelCase(
                            f"{name} {classes} at 1/{stride}, {fit_name} of {shape}", (logits, fit, shape), threshold
                        )


def _check(logits: Floats, fit: Fit, shape: tuple[int, int], *, threshold: float = 0.5, out: Labels | None = None) -> None:
    check_logits(logits)
    check_inside("the crop", fit.box, shape)
    threshold_logit(threshold)
    check_out(out, shape, np.uint8)


@kernel(cases=_cases, atol=0, check=_check)
def argmax_labels(
    logits: Floats, fit: Fit, shape: tuple[int, int], *, threshold: float = 0.5, out: Labels | None = None
) -> Labels:
    """Return the class of each pixel of a frame: (H, W) uint8, 0 background.

    logits: (1, K, h, w) float32 over fit.size, at any stride; interpolated bilinearly between the nodes inside fit.inner.
    K > 1: the class of the largest logit, the first of equal ones. K = 1: label 1 where the probability is above `threshold`.
    NaN counts as the smallest logit. Zero outside fit.box. Raises ImageError, ConfigError.
    """
    (row, down), (column, along) = node_positions(fit, 0, logits.shape[2]), node_positions(fit, 1, logits.shape[3])
    finite = finite_logits(logits)[0]
    rows = _mix(finite[:, row], finite[:, np.minimum(row + 1, finite.shape[1] - 1)], down[:, None])
    fine = _mix(rows[:, :, column], rows[:, :, np.minimum(column + 1, finite.shape[2] - 1)], along)
    result = np.zeros(shape, np.uint8)
    top, left, height, width = fit.box
    result[top : top + height, left : left + width] = fine.argmax(0) if len(fine) > 1 else fine[0] > threshold_logit(threshold)
    return copy_to_out(result, out)


def _mix(before: Floats, after: Floats, share: Floats) -> Floats:
    mixed: Floats = before * (np.float32(1) - share) + after * share
    return mixed


@argmax_labels.backend("numba")
def _argmax_labels_numba(
    logits: Floats, fit: Fit, shape: tuple[int, int], *, threshold: float = 0.5, out: Labels | None = None
) -> Labels:
    result = out_or_empty(out, shape, np.uint8)
    source = as_read_only(logits)[0]
    nodes = nodes_in_fit(fit, logits.shape)
    winners = np.empty(source.shape[1:], np.uint8)
    _find_winners(source, nodes, threshold_logit(threshold), np.empty((3, source.shape[2]), np.float32), winners)
    rows, columns = node_positions(fit, 0, logits.shape[2]), node_positions(fit, 1, logits.shape[3])
    edges = np.searchsorted(columns[0], np.arange(nodes[2], max(nodes[3], nodes[2] + 1) + 1))

    def band(first: int, end: int) -> None:
        runs = np.empty(edges.size, np.int64), np.empty(edges.size, np.uint8)
        _label_rows(
            source,
            as_read_only(winners),
            fit.box,
            nodes,
            rows,
            columns,
            edges,
            threshold_logit(threshold),
            runs,
            result,
            first,
            end,
        )

    run_row_bands(shape[0], shape[1] // _FILL_SPEEDUP, band)
    return result


@compiled
def _find_winners(logits: Floats, nodes: Nodes, level: np.float32, figures: Floats, winners: Labels) -> None:
    """Write each node's class, or `UNCERTAIN` where rounding could change it.

    logits: (K, h, w). figures: (3, w), scratch. winners: (h, w), the result.
    """
    best, second, largest = figures[0], figures[1], figures[2]
    for y in range(nodes[0], nodes[1] + 1):
        row, winner = logits[0, y], winners[y]
        for x in range(best.size):
            best[x] = finite_logit(row[x])
            second[x] = level if logits.shape[0] == 1 else np.float32(-np.inf)
            largest[x] = abs(best[x])
            winner[x] = np.uint8(logits.shape[0] == 1 and best[x] > level)
        for k in range(1, logits.shape[0]):
            _compare_class(logits[k, y], np.uint8(k), best, second, largest, winner)
        for x in range(best.size):
            winner[x] = winner[x] if abs(best[x] - second[x]) > ROUNDING_MARGIN * largest[x] else np.uint8(UNCERTAIN)


@compiled
def _compare_class(row: Floats, label: np.uint8, best: Floats, second: Floats, largest: Floats, winner: Labels) -> None:
    """Update the best and second-best class of each node of a row with one more class."""
    for x in range(row.size):
        value, champion = finite_logit(row[x]), best[x]
        wins = value > champion
        second[x] = champion if wins else max(second[x], value)
        best[x] = value if wins else champion
        winner[x] = label if wins else winner[x]
        largest[x] = max(largest[x], abs(value))


@compiled
def _label_rows(
    logits: Floats,  # (K, h, w)
    winners: Labels,  # (h, w)
    box: Box,
    nodes: Nodes,
    rows: NodePositions,
    columns: NodePositions,
    edges: Edges,  # the first pixel of the box in each cell
    level: np.float32,
    memory: tuple[Edges, Labels],  # scratch: the starts of runs in a row of cells, and their classes
    result: Labels,  # (H, W)
    first: int,
    end: int,
) -> None:
    """Label rows first..end of the frame: fill cells whose four nodes agree, and interpolate the pixels of the others."""
    starts, agreed = memory
    known, runs = -1, 0  # the row of nodes that `runs` belong to
    for y in range(first, end):
        target = result[y]
        for x in range(target.size):
            target[x] = 0
        if not box[0] <= y < box[0] + box[2]:
            continue
        row, down = rows[0][y - box[0]], rows[1][y - box[0]]
        below = min(row + 1, nodes[1])
        if row != known:
            runs, known = _find_uniform_runs(winners[row], winners[below], nodes, edges, starts, agreed), row
        inside = target[box[1] : box[1] + box[3]]
        for run in range(runs):
            if agreed[run] == UNCERTAIN:
                _interpolate(logits, row, below, down, columns, nodes[3], level, starts[run], starts[run + 1], inside)
            elif agreed[run]:
                for x in range(starts[run], starts[run + 1]):
                    inside[x] = agreed[run]


@compiled
def _find_uniform_runs(above: Labels, below: Labels, nodes: Nodes, edges: Edges, starts: Edges, agreed: Labels) -> int:
    """Find runs of cells in a row: of one class, or of `UNCERTAIN` cells whose four nodes disagree.

    starts: each run's first pixel, and the end of the last. agreed: each run's class. Returns the number of runs.
    """
    last, runs = nodes[3] - nodes[2], 0
    upper, lower = above[nodes[2] :], below[nodes[2] :]
    for cell in range(edges.size - 1):
        after = min(cell + 1, last)
        same = upper[cell] == upper[after] and upper[cell] == lower[cell] and upper[cell] == lower[after]
        label = upper[cell] if same else np.uint8(UNCERTAIN)
        if runs == 0 or agreed[runs - 1] != label:
            starts[runs], agreed[runs] = edges[cell], label
            runs += 1
    starts[runs] = edges[edges.size - 1]
    return runs


@compiled
def _interpolate(
    logits: Floats,
    row: int,
    below: int,
    down: np.float32,
    columns: NodePositions,
    last: int,
    level: np.float32,
    start: int,
    stop: int,
    target: Labels,
) -> None:
    """Write the classes of pixels start..stop of a row, with the reference's order of operations."""
    one = np.float32(1)
    for x in range(start, stop):
        before, along = columns[0][x], columns[1][x]
        after = min(before + 1, last)
        best, label = np.float32(-np.inf), np.uint8(0)
        for k in range(logits.shape[0]):
            low = finite_logit(logits[k, row, before]) * (one - down) + finite_logit(logits[k, below, before]) * down
            high = finite_logit(logits[k, row, after]) * (one - down) + finite_logit(logits[k, below, after]) * down
            value = low * (one - along) + high * along
            if value > best:
                best, label = value, np.uint8(k)
        target[x] = label if logits.shape[0] > 1 else np.uint8(best > level)


@argmax_labels.backend("cuda")
def _argmax_labels_cuda(
    logits: Floats, fit: Fit, shape: tuple[int, int], *, threshold: float = 0.5, out: Labels | None = None
) -> Any:
    result = out_or_device_array(out, shape, np.uint8, logits)
    geometry = map(c_ints, (fit.box, fit.inner, fit.size, logits.shape[2:], nodes_in_fit(fit, logits.shape)))
    launch("argmax_labels", logits, logits.shape[1], *geometry, float(threshold_logit(threshold)), *shape, result)
    return result
