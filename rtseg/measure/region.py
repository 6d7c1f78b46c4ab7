"""What is measured on a segmentation: for each class its area, centre, diameter and bounding box."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rtseg.frame import Labels, Segmentation, Spacing
from rtseg.kernels.labels.regions import Indices, Runs, find_runs
from rtseg.kernels.network.fit import Box
from rtseg.kernels.runtime.cpu import compiled

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One class on one frame.

    area_px: the number of its pixels. centroid: (row, column), the mean of its pixels' places. diameter_px: of the circle
    that has its area. box: the smallest that holds it. The _mm figures allow for pixels that are not square and are None
    where the spacing is unknown; centroid and box are None where the class is absent; uncertainty, as in Segmentation, where it
    was not asked for.
    """

    name: str
    area_px: int
    area_mm2: float | None
    centroid: tuple[float, float] | None
    diameter_px: float
    diameter_mm: float | None
    box: Box | None
    confidence: float
    uncertainty: float | None = None


def measure(segmentation: Segmentation) -> tuple[Measurement, ...]:
    """One Measurement for each class, in the order of `segmentation.classes`."""
    classes = range(len(segmentation.classes))
    rows, columns = _counts(segmentation.labels, len(classes))
    return tuple(_measure_class(segmentation, i, rows[i], columns[i]) for i in classes)


def _measure_class(segmentation: Segmentation, index: int, down: Counts, along: Counts) -> Measurement:
    """down, along: how many of its pixels stand in each row, and in each column."""
    area_px = int(down.sum())
    diameter_px = _diameter(area_px)
    area_mm2, diameter_mm = _in_mm(area_px, segmentation.spacing_mm)
    centroid, box = None, None
    if area_px:
        (top, height, row), (left, width, column) = _extent(down), _extent(along)
        centroid, box = (row, column), (top, left, height, width)
    name, confidence = segmentation.classes[index], segmentation.confidence[index]
    doubt = segmentation.uncertainty[index] if segmentation.uncertainty else None
    return Measurement(name, area_px, area_mm2, centroid, diameter_px, diameter_mm, box, confidence, doubt)


def _counts(labels: Labels, classes: int) -> tuple[Counts, Counts]:
    """How many pixels of each class stand in each row (K, H), and in each column (K, W)."""
    height, width = labels.shape
    rows, changes = np.zeros((classes, height), np.int64), np.zeros((classes, width + 1), np.int64)
    if labels.size:
        _add_runs(*find_runs(labels), rows, changes)
    return rows, changes[:, :width].cumsum(1)


@compiled
def _add_runs(runs: Runs, firsts: Indices, rows: Counts, changes: Counts) -> None:
    """Add each run of a class to its row, and to what changes from one column to the next."""
    for y in range(rows.shape[1]):
        for run in range(firsts[y], firsts[y + 1]):
            start, stop, label = runs[run]
            if 0 < label <= rows.shape[0]:
                rows[label - 1, y] += stop - start
                changes[label - 1, start] += 1
                changes[label - 1, stop] -= 1


def _extent(counts: Counts) -> tuple[int, int, float]:
    """Where the counted pixels begin, how far they reach, and their mean place."""
    occupied = np.flatnonzero(counts)
    first, last = int(occupied[0]), int(occupied[-1])
    mean = float(counts @ np.arange(len(counts))) / float(counts.sum())
    return first, last - first + 1, mean


def _in_mm(area_px: int, spacing_mm: Spacing | None) -> tuple[float | None, float | None]:
    """Area and diameter in millimetres."""
    if spacing_mm is None:
        return None, None
    area_mm2 = area_px * spacing_mm[0] * spacing_mm[1]
    return area_mm2, _diameter(area_mm2)


def _diameter(area: float) -> float:
    return 2 * math.sqrt(area / math.pi)
