"""Define the sector: a convex outline in the frame, and the box around it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.errors import ConfigError
from rtseg.frame import Mask
from rtseg.kernels.network.fit import Box

Point: TypeAlias = tuple[float, float]  # x, y in pixels; the center of the first pixel is (0, 0)
Points: TypeAlias = npt.NDArray[np.float64]  # (N, 2), each x, y
Shares: TypeAlias = npt.NDArray[np.float64]  # (N,), each 0 to 1, or other plain numbers
Size: TypeAlias = tuple[int, int]  # H, W


class SectorKind(str, Enum):
    """Names the kind of probe that draws a sector of this shape."""

    LINEAR = "linear"  # a rectangle
    CURVILINEAR = "curvilinear"  # a fan with a blunt top, or one that the frame cuts off
    PHASED = "phased"  # a fan that begins in a point
    WHOLE = "whole"  # the whole frame: none was found inside it, or it is all ultrasound
    UNKNOWN = "unknown"  # not found yet; the whole frame is used until the search ends


@dataclass(frozen=True, slots=True)
class Sector:
    """Holds the place of the ultrasound inside a frame."""

    kind: SectorKind
    """Shape of the sector."""
    size: Size
    """(H, W) of the frame."""
    outline: tuple[Point, ...]
    """Corners of a convex polygon."""
    confidence: float
    """Share of the outline inside the frame that is a sharp edge, 0 to 1.

    For WHOLE it is 1 where nothing but ultrasound is lit, and 0 where something else is, perhaps text. Among the regions of a
    screen with menus it is the probability that the outline is right.
    """
    face: tuple[float, float, float] | None = None
    """Center (x, y) and radius in pixels of a curved probe's face, which the picture surrounds; None: flat, or not known."""
    is_stated: bool = field(default=False, compare=False)
    """Whether the user said where the sector is, by `--sector`."""

    @property
    def box(self) -> Box:
        """Return the smallest box around the outline: top, left, height, width."""
        return _box_around(self.outline)

    @property
    def knowledge(self) -> str:
        """Return stated (by the user), known (found), or unknown: a frame taken as a whole for want of better is unknown."""
        if self.is_stated:
            return "stated"
        is_found = self.kind is not SectorKind.UNKNOWN and (self.kind is not SectorKind.WHOLE or self.confidence > 0)
        return "known" if is_found else "unknown"

    def mask(self) -> Mask:
        """Return the pixels of the sector, (H, W) bool."""
        mask = np.zeros(self.size, np.uint8)
        cv2.fillConvexPoly(mask, np.round(np.array(self.outline)).astype(np.int32), 1)
        if self.face:
            x, y, radius = self.face
            cv2.circle(mask, (round(x), round(y)), math.floor(radius), 0, -1)
        return mask.astype(np.bool_)

    def overlap(self, other: "Sector") -> float:
        """Return the intersection over union with another sector; 0 where the frame sizes differ."""
        if self.size != other.size:
            return 0.0
        ours, theirs = (np.array(sector.outline, np.float32) for sector in (self, other))
        both, _ = cv2.intersectConvexConvex(ours, theirs)
        return both / max(cv2.contourArea(ours) + cv2.contourArea(theirs) - both, 1e-9)

    def __str__(self) -> str:
        _, _, height, width = self.box
        return f"{self.kind.value} {width}x{height}"


@lru_cache(maxsize=64)
def _box_around(outline: tuple[Point, ...]) -> Box:
    """Return the box of a sector. It is cached, since each frame of a stream asks for it several times."""
    corners = np.array(outline)
    (left, top), (right, bottom) = np.ceil(corners.min(axis=0)), np.floor(corners.max(axis=0))
    return int(top), int(left), int(bottom - top) + 1, int(right - left) + 1


def whole_sector(size: Size, confidence: float = 0.0, *, is_stated: bool = False) -> Sector:
    """Return the whole frame as a sector."""
    return Sector(SectorKind.WHOLE, size, _corners((0, 0, *size)), confidence, is_stated=is_stated)


def unknown_sector(size: Size) -> Sector:
    """Return the sector of a frame while the search is running."""
    return Sector(SectorKind.UNKNOWN, size, _corners((0, 0, *size)), 0.0)


def box_sector(box: Box, size: Size) -> Sector:
    """Return the sector of a box that the user gave. Raises ConfigError where the box does not lie in the frame."""
    top, left, height, width = box
    if min(top, left) < 0 or min(height, width) < 1 or top + height > size[0] or left + width > size[1]:
        raise ConfigError(
            f"the sector {','.join(map(str, box))} does not lie in the frame of {size[1]}x{size[0]}: "
            f"give TOP,LEFT,HEIGHT,WIDTH in pixels, or auto"
        )
    return Sector(SectorKind.LINEAR, size, _corners(box), 1.0, is_stated=True)


def clip_polygon(outline: Points, point: Points, inward: Points) -> Points:
    """Clip a convex polygon by the line through `point` with normal `inward` (Sutherland and Hodgman, 1974)."""
    depth = (outline - point) @ inward
    kept: list[Points] = []
    for i, here in enumerate(outline):
        before = i - 1
        if (depth[i] < 0) != (depth[before] < 0):
            kept.append(outline[before] + (here - outline[before]) * depth[before] / (depth[before] - depth[i]))
        if depth[i] >= 0:
            kept.append(here)
    return np.array(kept).reshape(-1, 2)


def frame_outline(size: Size) -> Points:
    """Return the corners of a frame, clockwise from the top left one, (4, 2)."""
    return np.array(_corners((0, 0, *size)))


def as_outline(points: Iterable[npt.ArrayLike]) -> tuple[Point, ...]:
    """Convert corners to plain values."""
    return tuple((float(x), float(y)) for x, y in np.asarray(points, np.float64))


def top_width_ratio(outline: Points) -> float:
    """Return the width near the top of a polygon over its greatest width: 1 for an upright rectangle, 0 for a point."""
    top, bottom = outline[:, 1].min(), outline[:, 1].max()
    widest = np.ptp(outline[:, 0])
    below_top = clip_polygon(outline, np.array([0.0, top + 0.04 * (bottom - top)]), np.array([0.0, -1.0]))
    return float(np.ptp(below_top[:, 0]) / widest) if widest and len(below_top) else math.nan


def outline_overlap(one: Points, other: Points, size: Size) -> float:
    """Return the intersection over union of two convex outlines in a frame of `size`, from an eighth of its pixels a side."""
    # OpenCV's intersection of convex polygons errs where corners coincide.
    masks = []
    for outline in (one, other):
        mask = np.zeros((size[0] // 8 + 1, size[1] // 8 + 1), np.uint8)
        if len(outline) >= 3:
            cv2.fillConvexPoly(mask, np.round(outline * 2).astype(np.int32), 1, shift=4)
        masks.append(mask > 0)
    return float(np.count_nonzero(masks[0] & masks[1])) / max(1, int(np.count_nonzero(masks[0] | masks[1])))


def _corners(box: Box) -> tuple[Point, ...]:
    top, left, height, width = box
    bottom, right = top + height - 1.0, left + width - 1.0
    return (float(left), float(top)), (right, float(top)), (right, bottom), (float(left), bottom)
