"""Rasterizes the regions of annotation files: polygons, rectangles, circles, run lengths and small bitmaps.

A pixel belongs to a polygon where its center lies inside (even-odd), with (0, 0) at the picture's upper left corner.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.errors import DatasetError
from rtseg.frame import Mask

_CIRCLE_POINTS = 180


@dataclass(frozen=True, slots=True)
class PolygonRegion:
    """Holds the polygons of one region, of which a pixel of any counts."""

    name: str
    polygons: tuple[tuple[tuple[float, float], ...], ...]  # (x, y) of the corners

    def mask(self, size: tuple[int, int]) -> Mask:
        """Return its pixels in a picture of (H, W)."""
        found = np.zeros(size, bool)
        for corners in self.polygons:
            _fill(found, np.array(corners, np.float64))
        return found


@dataclass(frozen=True, slots=True)
class RunLengthRegion:
    """Holds a region as COCO's run lengths of background and class in turns, column by column."""

    name: str
    counts: tuple[int, ...]
    size: tuple[int, int]  # (H, W)

    def mask(self, size: tuple[int, int]) -> Mask:
        """Return its pixels. Raises DatasetError where the runs do not fill the picture."""
        if self.size != size or sum(self.counts) != size[0] * size[1] or min(self.counts, default=0) < 0:
            raise DatasetError(f"a run-length mask of {self.size} does not fill its picture of {size}: write it again")
        values = np.arange(len(self.counts)) % 2 == 1
        return np.ascontiguousarray(np.repeat(values, self.counts).reshape(size[::-1]).T)


@dataclass(frozen=True, slots=True)
class BitmapRegion:
    """Holds a region as a bitmap at a place of the picture."""

    name: str
    bitmap: npt.NDArray[np.bool_]  # (h, w)
    corner: tuple[int, int]  # (x, y) of its upper left pixel

    def mask(self, size: tuple[int, int]) -> Mask:
        """Return its pixels in a picture of (H, W). Raises DatasetError where it leaves the picture."""
        (left, top), (height, width) = self.corner, self.bitmap.shape
        if min(left, top) < 0 or top + height > size[0] or left + width > size[1]:
            raise DatasetError(f"a bitmap of {self.bitmap.shape} at {self.corner} leaves its picture of {size}: draw it again")
        found = np.zeros(size, bool)
        found[top : top + height, left : left + width] = self.bitmap
        return found


def circle_corners(center: Sequence[float], rim: Sequence[float]) -> tuple[tuple[float, float], ...]:
    """Return the corners of a polygon for a circle given by its center and a point of its rim."""
    radius = float(np.hypot(rim[0] - center[0], rim[1] - center[1]))
    turns = np.linspace(0, 2 * np.pi, _CIRCLE_POINTS, endpoint=False)
    return tuple((float(center[0] + radius * np.cos(a)), float(center[1] + radius * np.sin(a))) for a in turns)


def rectangle_corners(one: Sequence[float], other: Sequence[float]) -> tuple[tuple[float, float], ...]:
    """Return the corners of a rectangle given by two opposite ones."""
    return (one[0], one[1]), (other[0], one[1]), (other[0], other[1]), (one[0], other[1])


def coco_counts(text: str) -> tuple[int, ...]:
    """Decode COCO's compressed run lengths: groups of 5 bits, and from the fourth run on the change to the run before the last.

    Raises ValueError.
    """
    counts, place = list[int](), 0
    while place < len(text):
        value, shift, more = 0, 0, True
        while more:
            bits = ord(text[place]) - 48
            if not 0 <= bits < 64:
                raise ValueError(f"{text[place]!r} is no code of run lengths")
            value |= (bits & 0x1F) << shift
            more, place, shift = bool(bits & 0x20), place + 1, shift + 5
            if more and place == len(text):
                raise ValueError("the run lengths are cut off")
        if bits & 0x10:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
    return tuple(counts)


def _fill(found: Mask, corners: npt.NDArray[np.float64]) -> None:
    """Set the pixels whose centers lie inside a polygon (n, 2), by the crossings of its sides with each row of centers."""
    if len(corners) < 3:
        return
    height, width = found.shape
    ends = np.roll(corners, -1, 0)
    rows = range(max(0, int(corners[:, 1].min() - 1)), min(height, int(corners[:, 1].max()) + 1))
    for row in rows:
        y = row + 0.5
        crossing = (corners[:, 1] <= y) != (ends[:, 1] <= y)
        (x0, y0), (x1, y1) = corners[crossing].T, ends[crossing].T
        places = np.sort(x0 + (y - y0) * (x1 - x0) / (y1 - y0))
        first = np.clip(np.ceil(places - 0.5), 0, width).astype(int)
        for start, stop in list(pairwise(first))[::2]:
            found[row, start:stop] = True


def as_points(values: Any) -> tuple[tuple[float, float], ...]:
    """Return (x, y) of a list of pairs. Raises ValueError, TypeError."""
    points = np.array(values, np.float64).reshape(-1, 2)
    if not np.isfinite(points).all():
        raise ValueError("a corner is not finite")
    return tuple((float(x), float(y)) for x, y in points)
