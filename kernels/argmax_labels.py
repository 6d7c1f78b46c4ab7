"""From logits to a label map of the frame: bilinear upsampling and the choice of a class in one pass."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from rtseg.frame import Labels
from rtseg.kernels import cases
from rtseg.kernels.cores import by_rows, compiled
from rtseg.kernels.fit import Fit, letterbox
from rtseg.kernels.logits import LARGEST, Floats, Places, cleaned, cut, inside, places
from rtseg.kernels.memory import check_fit, check_logits, check_out, placed, readable, room
from rtseg.kernels.registry import Case, kernel

UNSURE = 255  # a cell whose four nodes do not agree, or only by a hair
HAIR = np.float32(1e-5)  # of the largest logit: well above what rounding moves an interpolated one


def _cases() -> Iterator[Case]:
    for shape, size in [((37, 53), (32, 24)), ((5, 4), (16, 16)), ((1, 1), (8, 8)), ((1, 40), (8, 16)), ((90, 70), (8, 12))]:
        height, width = shape
        fits = [("whole", letterbox((0, 0, height, width), size))]
        fits += [("crop", letterbox((height // 3, width // 4, height - height // 3, width - width // 2), size))]
        for classes in (1, 2, 4):
            for stride in (1, 4):
                for name, logits in cases.logits(classes, (size[0] // stride, size[1] // stride)):
                    for fit_name, fit in fits:
                        threshold = {"threshold": 0.7} if fit_name == "crop" else {}
                        yield Case(f"{name} {classes} at 1/{stride}, {fit_name} of {shape}", (logits, fit, shape), threshold)


def _check(logits: Floats, fit: Fit, shape: tuple[int, int], *, threshold: float = 0.5, out: Labels | None = None) -> None:
    check_logits(logits)
    check_fit(fit, shape)
    cut(threshold)
    check_out(out, shape, np.uint8)


@kernel(cases=_cases, atol=0, check=_check)
def argmax_labels(
    logits: Floats, fit: Fit, shape: tuple[int, int], *, threshold: float = 0.5, out: Labels | None = None
) -> Labels:
    """The class of each pixel of a frame: (H, W) uint8, 0 background.

    logits: (1, K, h, w) float32 over fit.size, at any stride; interpolated bilinearly between the nodes inside fit.inner.
    K > 1: the class of the largest logit, the first of equal ones. K = 1: label 1 where the probability is above `threshold`.
    NaN counts as the smallest logit. Zero outside fit.box. Raises ImageError, ConfigError.
    """
    (row, down), (column, along) = places(fit, 0, logits.shape[2]), places(fit, 1, logits.shape[3])
    clean = cleaned(logits)[0]
    rows = _mix(clean[:, row], clean[:, np.minimum(row + 1, clean.shape[1] - 1)], down[:, None])
    fine = _mix(rows[:, :, column], rows[:, :, np.minimum(column + 1, clean.shape[2] - 1)], along)
    result = np.zeros(shape, np.uint8)
    top, left, height, width = fit.box
    result[top : top + height, left : left + width] = fine.argmax(0) if len(fine) > 1 else fine[0] > cut(threshold)
    return placed(result, out)


def _mix(before: Floats, after: Floats, share: Floats) -> Floats:
    mixed: Floats = before * (np.float32(1) - share) + after * share
    return mixed


@argmax_labels.backend("numba")
def _argmax_labels_numba(
    logits: Floats, fit: Fit, shape: tuple[int, int], *, threshold: float = 0.5, out: Labels | None = None
) -> Labels:
    result = room(out, shape, np.uint8)
    source = readable(logits)[0]
    nodes = inside(fit, logits.shape)
    winners = np.empty(source.shape[1:], np.uint8)
    _find_winners(source, nodes, cut(threshold), winners)
    rows, columns = places(fit, 0, logits.shape[2]), places(fit, 1, logits.shape[3])
    edges = np.searchsorted(columns[0], np.arange(nodes[2], max(nodes[3], nodes[2] + 1) + 1))

    def band(first: int, end: int) -> None:
        _label_rows(source, readable(winners), fit.box, nodes, rows, columns, edges, cut(threshold), result, first, end)

    by_rows(*shape, band)
    return result


@compiled
def _clean(value: np.float32) -> np.float32:
    """As `cleaned`, for one logit; a comparison with NaN is false."""
    return min(value, LARGEST) if value > -LARGEST else -LARGEST


@compiled
def _find_winners(logits: Floats, nodes: tuple[int, int, int, int], level: np.float32, winners: Labels) -> None:
    """Write each node's class, or UNSURE where rounding could change it: logits (K, h, w), winners (h, w)."""
    for y in range(nodes[0], nodes[1] + 1):
        for x in range(nodes[2], nodes[3] + 1):
            best, second, winner = _clean(logits[0, y, x]), np.float32(-np.inf), np.uint8(0)
            largest = abs(best)
            if logits.shape[0] == 1:
                second, winner = level, np.uint8(best > level)
            for k in range(1, logits.shape[0]):
                value = _clean(logits[k, y, x])
                largest = max(largest, abs(value))
                if value > best:
                    best, second, winner = value, best, np.uint8(k)
                else:
                    second = max(second, value)
            winners[y, x] = winner if abs(best - second) > HAIR * largest else UNSURE


@compiled
def _label_rows(
    logits: Floats,  # (K, h, w)
    winners: Labels,  # (h, w)
    box: tuple[int, int, int, int],
    nodes: tuple[int, int, int, int],
    rows: Places,
    columns: Places,
    edges: npt.NDArray[np.int64],  # the first pixel of the box in each cell
    level: np.float32,
    result: Labels,  # (H, W)
    first: int,
    end: int,
) -> None:
    """Rows first..end of the frame: cells whose four nodes agree are filled, the pixels of the others are interpolated."""
    top, left, height, _ = box
    one = np.float32(1)
    for y in range(first, end):
        target = result[y]
        target[:] = 0
        if not top <= y < top + height:
            continue
        row, down = rows[0][y - top], rows[1][y - top]
        below = min(row + 1, nodes[1])
        for cell in range(edges.size - 1):
            start, stop = edges[cell], edges[cell + 1]
            before = nodes[2] + cell
            after = min(before + 1, nodes[3])
            winner = winners[row, before]
            same = winner == winners[row, after] and winner == winners[below, before] and winner == winners[below, after]
            if same and winner != UNSURE:
                if winner:
                    target[left + start : left + stop] = winner
                continue
            for x in range(start, stop):
                along = columns[1][x]
                best, label = np.float32(-np.inf), np.uint8(0)
                for k in range(logits.shape[0]):
                    low = _clean(logits[k, row, before]) * (one - down) + _clean(logits[k, below, before]) * down
                    high = _clean(logits[k, row, after]) * (one - down) + _clean(logits[k, below, after]) * down
                    value = low * (one - along) + high * along
                    if value > best:
                        best, label = value, np.uint8(k)
                target[left + x] = label if logits.shape[0] > 1 else best > level
