"""What a sector is: a convex outline in the frame, and the box around it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.errors import ConfigError
from rtseg.frame import Mask
from rtseg.kernels.network.fit import Box

Point: TypeAlias = tuple[float, float]  # x, y in pixels: the centre of the first pixel is (0, 0)
Points: TypeAlias = npt.NDArray[np.float64]  # (N, 2), each x, y
Size: TypeAlias = tuple[int, int]  # H, W


class Kind(str, Enum):
    """Which probe draws a sector of this shape."""

    LINEAR = "linear"  # a rectangle
    CURVILINEAR = "curvilinear"  # a fan with a blunt top, or one that the frame cuts off
    PHASED = "phased"  # a fan that begins in a point
    WHOLE = "whole"  # no sector was found inside the frame, or the frame is all sector
    UNKNOWN = "unknown"  # not found yet: the search goes on, and the frame is taken whole until it ends


@dataclass(frozen=True, slots=True)
class Sector:
    """Where the ultrasound is inside a frame.

    size: (H, W) of the frame. outline: the corners of a convex polygon. confidence: the share of the outline inside the frame
    that is a sharp edge in the picture, 0 to 1; for WHOLE it is 1 where nothing else is lit than the ultrasound, and 0 where
    something is, which may be letters.
    """

    kind: Kind
    size: Size
    outline: tuple[Point, ...]
    confidence: float

    @property
    def box(self) -> Box:
        """The smallest box around the outline: top, left, height, width."""
        corners = np.array(self.outline)
        (left, top), (right, bottom) = np.ceil(corners.min(axis=0)), np.floor(corners.max(axis=0))
        return int(top), int(left), int(bottom - top) + 1, int(right - left) + 1

    def mask(self) -> Mask:
        """The pixels of the sector: (H, W) bool."""
        mask = np.zeros(self.size, np.uint8)
        cv2.fillConvexPoly(mask, np.round(np.array(self.outline)).astype(np.int32), 1)
        return mask.astype(np.bool_)

    def overlap(self, other: "Sector") -> float:
        """Intersection over union with another sector of the same frame size; 0 where the sizes differ."""
        if self.size != other.size:
            return 0.0
        ours, theirs = (np.array(sector.outline, np.float32) for sector in (self, other))
        both, _ = cv2.intersectConvexConvex(ours, theirs)
        return both / max(cv2.contourArea(ours) + cv2.contourArea(theirs) - both, 1e-9)

    def __str__(self) -> str:
        _, _, height, width = self.box
        return f"{self.kind.value} {width}x{height}"


def whole(size: Size, confidence: float = 0.0) -> Sector:
    """The frame as its own sector."""
    return Sector(Kind.WHOLE, size, _corners((0, 0, *size)), confidence)


def unknown(size: Size) -> Sector:
    """The frame while its sector is looked for."""
    return Sector(Kind.UNKNOWN, size, _corners((0, 0, *size)), 0.0)


def boxed(box: Box, size: Size) -> Sector:
    """The sector that a user names by its box. Raises ConfigError where the box does not lie in the frame."""
    top, left, height, width = box
    if min(top, left) < 0 or min(height, width) < 1 or top + height > size[0] or left + width > size[1]:
        raise ConfigError(
            f"the sector {','.join(map(str, box))} does not lie in the frame of {size[1]}x{size[0]}: "
            f"give TOP,LEFT,HEIGHT,WIDTH in pixels, or auto"
        )
    return Sector(Kind.LINEAR, size, _corners(box), 1.0)


def clipped(outline: Points, point: Points, inward: Points) -> Points:
    """The part of a convex polygon on the inner side of a line through `point` (the step of Sutherland and Hodgman, 1974)."""
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
    """The corners of a frame, clockwise from the top left one."""
    return np.array(_corners((0, 0, *size)))


def as_outline(points: Iterable[npt.ArrayLike]) -> tuple[Point, ...]:
    """Corners as plain values."""
    return tuple((float(x), float(y)) for x, y in np.asarray(points, np.float64))


def narrowing(outline: Points) -> float:
    """How wide a polygon begins at its top, against its greatest width: 1 for an upright rectangle, 0 for a point."""
    top, bottom = outline[:, 1].min(), outline[:, 1].max()
    widest = np.ptp(outline[:, 0])
    below_top = clipped(outline, np.array([0.0, top + 0.04 * (bottom - top)]), np.array([0.0, -1.0]))
    return float(np.ptp(below_top[:, 0]) / widest) if widest and len(below_top) else math.nan


def _corners(box: Box) -> tuple[Point, ...]:
    top, left, height, width = box
    bottom, right = top + height - 1.0, left + width - 1.0
    return (float(left), float(top)), (right, float(top)), (right, bottom), (float(left), bottom)
