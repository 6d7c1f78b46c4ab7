"""Define the beam grid, which is a fan in a frame and its number of samples and lines, and the overlap of fans."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rtseg.frame import Spacing
from rtseg.kernels.bmode.scan_conversion import Fan
from rtseg.session.sector.shape import Points, Sector, Size, clip_polygon


@dataclass(frozen=True, slots=True)
class BeamGrid:
    """Holds a fan in pixels of a frame, and the number of samples and lines in beam space."""

    fan: Fan
    """Place of the fan in the frame."""
    shape: tuple[int, int]
    """(samples, lines)."""


class BeamGeometry(Protocol):
    """Gives the beam grid of a frame."""

    def grid(self, sector: Sector, spacing_mm: Spacing | None, network: Size) -> BeamGrid | None:
        """Return the grid in a frame whose sector is given, or None while that is not known yet. Raises ConfigError.

        network: (H, W) of its input, for a geometry that does not say how many samples and lines there are.
        """


def fan_polygon(fan: Fan) -> Points:
    """Return the convex polygon of a fan with its far arc in 32 pieces, x and y; near corners included."""
    angles = np.linspace(fan.left, fan.right, 33)
    arc = np.stack([fan.apex[1] + fan.far * np.sin(angles), fan.apex[0] + fan.far * np.cos(angles)], 1)
    ends = np.array([(fan.apex[1] + fan.near * np.sin(a), fan.apex[0] + fan.near * np.cos(a)) for a in (fan.right, fan.left)])
    return np.concatenate([arc, ends])


def clip_to(polygon: Points, convex: Points) -> Points:
    """Return the part of a polygon inside a convex one, (N, 2) x and y."""
    center = convex.mean(0)
    for here, there in zip(convex, np.roll(convex, -1, 0), strict=True):
        inward = np.array([here[1] - there[1], there[0] - here[0]])
        if len(polygon):
            polygon = clip_polygon(polygon, here, inward * np.sign(inward @ (center - here)))
    return polygon


def polygon_area(polygon: Points) -> float:
    """Return the area of a polygon in square pixels; 0 for fewer than three corners."""
    if len(polygon) < 3:
        return 0.0
    x, y = polygon.T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)
