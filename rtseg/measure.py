"""What is measured on a segmentation: for each class its area, centre, diameter and bounding box."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.frame import Labels, Mask, Segmentation, Spacing
from rtseg.kernels.fit import Box

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
    top, left, height, width = bounding_box(segmentation.labels) or (0, 0, 0, 0)
    inside = segmentation.labels[top : top + height, left : left + width]
    return tuple(_measure_class(segmentation, i, inside == i + 1, (top, left)) for i in range(len(segmentation.classes)))


def bounding_box(mask: Mask | Labels) -> Box | None:
    """The smallest box that holds every pixel of mask (H, W) that is not zero, or None where there is none."""
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    return (top, left, height, width) if width else None


def _measure_class(segmentation: Segmentation, index: int, mask: Mask, origin: tuple[int, int]) -> Measurement:
    down, along = _counts(mask)
    area_px = int(down.sum())
    diameter_px = _diameter(area_px)
    area_mm2, diameter_mm = _in_mm(area_px, segmentation.spacing_mm)
    centroid, box = None, None
    if area_px:
        (top, height, row), (left, width, column) = _extent(down, origin[0]), _extent(along, origin[1])
        centroid, box = (row, column), (top, left, height, width)
    name, confidence = segmentation.classes[index], segmentation.confidence[index]
    doubt = segmentation.uncertainty[index] if segmentation.uncertainty else None
    return Measurement(name, area_px, area_mm2, centroid, diameter_px, diameter_mm, box, confidence, doubt)


def _counts(mask: Mask) -> tuple[Counts, Counts]:
    """How many pixels of the mask stand in each row, and in each column."""
    if not mask.size:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    pixels = mask.view(np.uint8)
    rows = cv2.reduce(pixels, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)
    columns = cv2.reduce(pixels, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S)
    return rows.reshape(-1).astype(np.int64), columns.reshape(-1).astype(np.int64)


def _extent(counts: Counts, start: int) -> tuple[int, int, float]:
    """Where the counted pixels begin, how far they reach, and their mean place."""
    occupied = np.flatnonzero(counts)
    first, last = int(occupied[0]), int(occupied[-1])
    mean = float(counts @ np.arange(len(counts))) / float(counts.sum())
    return start + first, last - first + 1, start + mean


def _in_mm(area_px: int, spacing_mm: Spacing | None) -> tuple[float | None, float | None]:
    """Area and diameter in millimetres."""
    if spacing_mm is None:
        return None, None
    area_mm2 = area_px * spacing_mm[0] * spacing_mm[1]
    return area_mm2, _diameter(area_mm2)


def _diameter(area: float) -> float:
    return 2 * math.sqrt(area / math.pi)
