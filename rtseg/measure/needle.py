"""Measures a needle: its axis, its tip, its angle to the probe's face, and how far its tip is from a target."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from rtseg.frame import Mask, Spacing
from rtseg.measure.ellipse import fit_ellipse


@dataclass(frozen=True, slots=True)
class Needle:
    """Holds where a needle is."""

    tip: tuple[float, float]
    """(row, column) in pixels: the deeper end of the axis."""
    entry: tuple[float, float]
    """(row, column) in pixels: the other end."""
    length: float
    """Length of the part that is seen, in the unit of the spacing."""
    angle_deg: float
    """Angle to the probe's face, 0 along it, 90 straight down."""


def find_needle(mask: Mask, spacing: Spacing = (1.0, 1.0)) -> Needle | None:
    """Return the needle of a mask (H, W) bool, along the major axis of its ellipse; None for an empty mask."""
    ellipse = fit_ellipse(mask, spacing)
    if ellipse is None:
        return None
    down, along = math.sin(ellipse.angle_rad), math.cos(ellipse.angle_rad)
    if down < 0:
        down, along = -down, -along
    rows, columns = np.nonzero(mask)
    places = (rows - ellipse.centre[0]) * spacing[0] * down + (columns - ellipse.centre[1]) * spacing[1] * along
    half = (abs(down) * spacing[0] + abs(along) * spacing[1]) / 2  # from a pixel's middle to its border
    ends = [
        (ellipse.centre[0] + at * down / spacing[0], ellipse.centre[1] + at * along / spacing[1])
        for at in (float(places.max()) + half, float(places.min()) - half)
    ]
    return Needle(ends[0], ends[1], float(np.ptp(places)) + 2 * half, math.degrees(math.asin(min(1.0, down))))


def distance_to(target: Mask, point: tuple[float, float], spacing: Spacing = (1.0, 1.0)) -> float | None:
    """Return the distance of a point (row, column) to a mask's border, negative inside; None for an empty mask.

    In the unit of the spacing (down, along).
    """
    if not target.any():
        return None
    row, column = (min(max(round(at), 0), side - 1) for at, side in zip(point, target.shape, strict=True))
    is_inside = bool(target[row, column])
    border = target & ~cv2.erode(target.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=0).astype(bool)
    rows, columns = np.nonzero(border)
    nearest = float(np.hypot((rows - point[0]) * spacing[0], (columns - point[1]) * spacing[1]).min())
    return -nearest if is_inside else nearest
