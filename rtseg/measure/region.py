"""Measure each class of a segmentation: area, centroid, diameter and bounding box."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rtseg.frame import Labels, Segmentation, Spacing
from rtseg.kernels.labels.regions import Indices, Runs, find_runs
from rtseg.kernels.network.fit import Box
from rtseg.kernels.runtime.cpu import compiled

ProfileCounts = npt.NDArray[np.int64]  # (H,) or (W,) pixels of a class in each row or column; (K, H) or (K, W) for all classes


@dataclass(frozen=True, slots=True)
class Measurement:
    """Holds the measures of one class on one frame."""

    name: str
    """Name of the class."""
    area_px: int
    """Number of pixels."""
    area_mm2: float | None
    """Area by the pixel spacing, which need not be square; None where it is unknown."""
    centroid: tuple[float, float] | None
    """Mean (row, column) of the pixels; None where the class is absent."""
    diameter_px: float
    """Diameter of the circle with the same area, in pixels; in heights of a pixel where pixels are not square."""
    diameter_mm: float | None
    """Diameter of the circle with the same area; None where the spacing is unknown."""
    box: Box | None
    """Smallest box around the pixels: top, left, height, width; None where the class is absent."""
    confidence: float
    """Mean probability inside the mask, as in `Segmentation`."""
    uncertainty: float | None = None
    """Mean entropy along the border in bits, as in `Segmentation`; None where it was not computed."""


def measure(segmentation: Segmentation) -> tuple[Measurement, ...]:
    """Measure each class, in the order of `segmentation.classes`; none where the segmentation withholds its measures."""
    if segmentation.withholds_measures:
        return ()
    classes = range(len(segmentation.classes))
    rows, columns = _profile_counts(segmentation.labels, len(classes))
    return tuple(_measure_class(segmentation, i, rows[i], columns[i]) for i in classes)


def _measure_class(segmentation: Segmentation, index: int, down: ProfileCounts, along: ProfileCounts) -> Measurement:
    """Measure one class from its pixel counts in each row (down) and in each column (along)."""
    area_px = int(down.sum())
    diameter_px = _diameter(area_px * segmentation.pixel_aspect)
    area_mm2, diameter_mm = _in_mm(area_px, segmentation.spacing_mm)
    centroid, box = None, None
    if area_px:
        (top, height, row), (left, width, column) = _extent(down), _extent(along)
        centroid, box = (row, column), (top, left, height, width)
    name, confidence = segmentation.classes[index], segmentation.confidence[index]
    doubt = segmentation.uncertainty[index] if segmentation.uncertainty else None
    return Measurement(name, area_px, area_mm2, centroid, diameter_px, diameter_mm, box, confidence, doubt)


def _profile_counts(labels: Labels, classes: int) -> tuple[ProfileCounts, ProfileCounts]:
    """Count the pixels of each class in each row (K, H) and in each column (K, W)."""
    height, width = labels.shape
    rows, changes = np.zeros((classes, height), np.int64), np.zeros((classes, width + 1), np.int64)
    if labels.size:
        _add_runs(*find_runs(labels), rows, changes)
    return rows, changes[:, :width].cumsum(1)


@compiled
def _add_runs(runs: Runs, firsts: Indices, rows: ProfileCounts, changes: ProfileCounts) -> None:
    """Add each run of a class to the count of its row, and to the differences between neighboring columns."""
    for y in range(rows.shape[1]):
        for run in range(firsts[y], firsts[y + 1]):
            start, stop, label = runs[run]
            if 0 < label <= rows.shape[0]:
                rows[label - 1, y] += stop - start
                changes[label - 1, start] += 1
                changes[label - 1, stop] -= 1


def _extent(counts: ProfileCounts) -> tuple[int, int, float]:
    """Return the first occupied position, the extent and the mean position of the counted pixels."""
    occupied = np.flatnonzero(counts)
    first, last = int(occupied[0]), int(occupied[-1])
    mean = float(counts @ np.arange(len(counts))) / float(counts.sum())
    return first, last - first + 1, mean


def _in_mm(area_px: int, spacing_mm: Spacing | None) -> tuple[float | None, float | None]:
    """Return area in mm2 and diameter in mm; None where the spacing is unknown."""
    if spacing_mm is None:
        return None, None
    area_mm2 = area_px * spacing_mm[0] * spacing_mm[1]
    return area_mm2, _diameter(area_mm2)


def _diameter(area: float) -> float:
    return 2 * math.sqrt(area / math.pi)
