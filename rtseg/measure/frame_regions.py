"""Cuts a segmentation into the regions of its classes, in pixels and in the network's cells."""

import cv2
import numpy as np

from rtseg.frame import Labels, Mask, Segmentation
from rtseg.measure.measured_region import MeasuredRegion
from rtseg.probability_planes import ProbabilityPlanes

SURE, POSSIBLE = 0.95, 0.05  # probabilities of the smallest and the largest mask


class FrameRegions:
    """Holds the region of each class of one frame, in pixels and, for the range, in the network's cells; each is made once."""

    def __init__(self, found: Segmentation, planes: ProbabilityPlanes | None) -> None:
        self._found, self._planes = found, planes
        self._spacing = found.spacing_mm or (1.0, found.pixel_aspect)
        left, top, width, height = cv2.boundingRect(found.labels)
        self._part = found.labels[max(0, top - 1) : top + height + 1, max(0, left - 1) : left + width + 1]
        self._regions: dict[str, MeasuredRegion] = {}
        self._cells: dict[str, tuple[MeasuredRegion, ...]] = {}

    @property
    def has_range(self) -> bool:
        """Return whether the probabilities are known."""
        return self._planes is not None

    def region(self, name: str) -> MeasuredRegion:
        """Return the region of a class, in the part of the frame that holds all masks."""
        if name not in self._regions:
            mask = self._part == self._found.classes.index(name) + 1
            self._regions[name] = MeasuredRegion(mask, self._spacing, self._found.outline_px)
        return self._regions[name]

    def cells(self, name: str) -> tuple[MeasuredRegion, ...]:
        """Return the smallest, the given and the largest region of a class on the network's cells."""
        assert self._planes is not None
        if name not in self._cells:
            down, along = (side / count for side, count in zip(self._planes.box[2:], self._planes.shape, strict=True))
            spacing = (self._spacing[0] * down, self._spacing[1] * along)
            label = self._found.classes.index(name) + 1
            masks = _nested_masks(self._planes, self._found.labels, label)
            self._cells[name] = tuple(MeasuredRegion(mask, spacing, self._found.outline_px / down) for mask in masks)
        return self._cells[name]


def _nested_masks(planes: ProbabilityPlanes, labels: Labels, label: int) -> tuple[Mask, Mask, Mask]:
    """Return the smallest, the given and the largest mask of a label of the frame, each (h, w) bool.

    The smallest holds the mask's cells of a probability of 95 % or more. The largest adds to the mask those of 5 % or more that
    are connected with it and belong to no other label.
    """
    top, left, height, width = planes.box
    part = labels[top : top + height, left : left + width]
    rows, columns = (
        ((np.arange(count) + 0.5) * side / count).astype(np.intp) for count, side in zip(planes.shape, part.shape, strict=True)
    )
    cells, plane = part.take(rows, 0).take(columns, 1), planes.values[label - 1]  # the pixel in the middle of each cell
    mask = cells == label
    wide = mask | ((plane >= POSSIBLE) & (cells == 0))
    count, regions = cv2.connectedComponents(wide.astype(np.uint8))
    small = mask & (plane >= SURE)
    if count == 2 and mask.any():  # one region, and the mask is in it
        return small, mask, wide
    is_held = np.bincount(regions[mask], minlength=count) > 0
    return small, mask, is_held[regions] & wide
