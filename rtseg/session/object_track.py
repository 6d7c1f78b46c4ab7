"""Decides from frame to frame whether an object is lost: its network is unsure, or its mask jumped to another place."""

from dataclasses import dataclass
from math import hypot, pi, sqrt

import numpy as np

from rtseg.frame import Mask

LOST_BELOW, FOUND_FROM = 0.5, 0.6  # confidences between which an object stays lost, or not
LOST_AFTER, FOUND_AFTER = 3, 2  # frames in a row below or above them
STRIDE = 4  # of the pixels that are compared
_MAX_OVERLAP = 0.1  # share of the smaller mask: two masks with more are of one object
_SMALLEST, _LARGEST = 0.45, 1.8  # of the area soon after the prompt: a mask beyond them has shrunk or leaked
_SETTLING = 5  # frames after a prompt in which a mask may still grow to its size
_MAX_STEP = 1.0  # radii by which an object moves in one frame, beyond the picture's own motion


@dataclass(frozen=True, slots=True)
class MaskPlace:
    """Holds where a mask is."""

    mask: Mask
    """Every STRIDE-th pixel of the mask."""
    centroid: tuple[float, float]
    """(row, column) in pixels of the frame."""
    area_px: int
    """Number of its pixels in the frame."""

    @property
    def radius(self) -> float:
        """Return the radius of the circle with its area, in pixels."""
        return sqrt(self.area_px / pi)

    def is_same(self, other: "MaskPlace", shift: tuple[float, float], frames: int) -> bool:
        """Return whether an object may have come from the other place within some frames.

        shift: by which the picture itself moved, (rows, columns) in pixels.
        """
        moved = np.roll(other.mask, (round(shift[0] / STRIDE), round(shift[1] / STRIDE)), (0, 1))
        smaller = max(1, min(int(np.count_nonzero(self.mask)), int(np.count_nonzero(moved))))
        if np.count_nonzero(self.mask & moved) > _MAX_OVERLAP * smaller:
            return True
        down, along = (now - before - by for now, before, by in zip(self.centroid, other.centroid, shift, strict=True))
        return hypot(down, along) <= _MAX_STEP * max(self.radius, other.radius) * max(1, frames)


class ObjectTrack:
    """Follows one object from its prompt on. is_lost: whether its mask must be withdrawn."""

    def __init__(self) -> None:
        self.is_lost = self.is_displaced = False  # displaced: something else is segmented, at another place
        self._doubtful = self._sure = 0  # frames in a row
        self.place: MaskPlace | None = None  # the last one that was believed
        self._area_px = self._believed = 0  # of the newest of the first frames that were believed in this view, and how many

    def interrupt(self) -> None:
        """Count the object as lost, since the view changed or ended; it may come back anywhere."""
        self.is_lost, self.is_displaced, self.place = True, False, None
        self._doubtful = self._sure = self._area_px = self._believed = 0

    def observe(self, confidence: float, place: MaskPlace | None, shift: tuple[float, float], frames: int) -> None:
        """Judge a frame. confidence: 0 without a mask. shift, frames: see `MaskPlace.is_same`, since the frame before."""
        is_sure = confidence >= (FOUND_FROM if self.is_lost else LOST_BELOW) and place is not None
        if is_sure and place and self.place and not place.is_same(self.place, shift, 1 if self.is_displaced else frames):
            self.is_lost = self.is_displaced = True  # the place before stays: it must come back to there
            self._sure = self._doubtful = 0
            return
        if place and self._has_other_size(place):
            self._doubt_size()
            return
        self._sure, self._doubtful = (self._sure + 1, 0) if is_sure else (0, self._doubtful + 1)
        if self.is_lost and self._sure >= FOUND_AFTER:
            self.is_lost = self.is_displaced = False
        elif not self.is_lost and self._doubtful >= LOST_AFTER:
            self.interrupt()
        if is_sure and place and not self.is_lost:
            self.place, self._believed = place, self._believed + 1
            if self._believed <= _SETTLING:
                self._area_px = place.area_px

    def _has_other_size(self, place: MaskPlace) -> bool:
        return self._believed >= _SETTLING and not _SMALLEST <= place.area_px / self._area_px <= _LARGEST

    def _doubt_size(self) -> None:
        """Count a frame whose mask is far larger or smaller than where the object was pointed at."""
        self._sure, self._doubtful = 0, self._doubtful + 1
        if self._doubtful >= LOST_AFTER:
            self.is_lost = self.is_displaced = True  # the network then looks for it by the prompt alone
