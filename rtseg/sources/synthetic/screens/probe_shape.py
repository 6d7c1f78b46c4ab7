"""Draw the shape of a probe's picture, and place it on the screen."""

import math
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from rtseg.frame import Mask
from rtseg.sources.synthetic.geometry import Grid

Area: TypeAlias = tuple[int, int, int, int]  # top, left, height, width in pixels
Positions: TypeAlias = npt.NDArray[np.float64]


class ProbeKind(str, Enum):
    """Names a kind of picture."""

    LINEAR = "linear"
    TRAPEZOID = "trapezoid"
    CURVILINEAR = "curvilinear"
    PHASED = "phased"
    ENDOCAVITY = "endocavity"


@dataclass(frozen=True, slots=True)
class ProbeShape:
    """Describes a picture in millimeters; x is 0 in the middle, z at the probe's face."""

    kind: ProbeKind
    """Kind of the picture."""
    depth_mm: float
    """From the face's middle to the end."""
    half_width_mm: float
    """Half the width of a flat face; 0 for a fan."""
    radius_mm: float
    """Radius of a curved face; 0 for a flat one."""
    half_angle: float
    """Angle of the sides to the vertical, in radians."""

    def extent(self) -> tuple[float, float, float]:
        """Return top, height and width in mm."""
        if self.kind in (ProbeKind.LINEAR, ProbeKind.TRAPEZOID):
            return 0.0, self.depth_mm, 2 * (self.half_width_mm + self.depth_mm * math.tan(self.half_angle))
        top = self.radius_mm * (math.cos(self.half_angle) - 1)
        far = self.radius_mm + self.depth_mm
        return top, self.depth_mm - top, 2 * far * math.sin(self.half_angle)

    def beams(self, x_mm: Positions, z_mm: Positions) -> tuple[Positions, Positions]:
        """Return each point's place across and along the beams; inside the picture both are 0 to 1."""
        if self.kind in (ProbeKind.LINEAR, ProbeKind.TRAPEZOID):
            half = self.half_width_mm + np.maximum(z_mm, 0) * math.tan(self.half_angle)
            return (x_mm / half + 1) / 2, z_mm / self.depth_mm
        below = z_mm + self.radius_mm
        across = (np.arctan2(x_mm, below) / self.half_angle + 1) / 2
        return across, (np.hypot(x_mm, below) - self.radius_mm) / self.depth_mm


def draw_shape(kind: ProbeKind, rng: np.random.Generator) -> ProbeShape:
    """Return a picture of a kind with usual measures."""
    if kind is ProbeKind.LINEAR:
        return ProbeShape(kind, rng.uniform(20, 70), rng.uniform(15, 27), 0.0, 0.0)
    if kind is ProbeKind.TRAPEZOID:
        return ProbeShape(kind, rng.uniform(25, 70), rng.uniform(15, 25), 0.0, math.radians(rng.uniform(6, 20)))
    if kind is ProbeKind.CURVILINEAR:
        return ProbeShape(kind, rng.uniform(60, 200), 0.0, rng.uniform(38, 65), math.radians(rng.uniform(26, 40)))
    if kind is ProbeKind.PHASED:
        return ProbeShape(kind, rng.uniform(80, 190), 0.0, rng.uniform(0.5, 4), math.radians(rng.uniform(34, 47)))
    return ProbeShape(kind, rng.uniform(35, 100), 0.0, rng.uniform(9, 15), math.radians(rng.uniform(55, 76)))


@dataclass(frozen=True, slots=True)
class PlacedShape:
    """Holds a picture's place on the screen."""

    shape: ProbeShape
    """The picture."""
    box: Area
    """Box around it; what lies outside is cut off."""
    mm_per_pixel: float
    """Size of a pixel."""
    across: Grid
    """(h, w) of the box: place across the beams."""
    along: Grid
    """(h, w) of the box: place along the beams."""
    inside: Mask
    """(h, w) of the box: the picture's pixels."""
    top_px: float
    """Row of the face's middle, depth 0, from the frame's top."""
    is_flipped: bool
    """Whether the probe is at the bottom."""


def place_shape(shape: ProbeShape, area: Area, rng: np.random.Generator, *, cut: float = 1.0) -> PlacedShape:
    """Fit a picture into an area. cut: share of its width to which the scanner's window cuts it."""
    top_mm, tall_mm, wide_mm = shape.extent()
    wide_mm *= cut
    scale = max(tall_mm / area[2], wide_mm / area[3]) / rng.uniform(0.86, 1.0)
    height, width = max(8, int(tall_mm / scale)), max(8, int(wide_mm / scale))
    top = area[0] + int(rng.uniform(0, 0.7) * (area[2] - height))
    left = area[1] + int(rng.uniform(0.25, 0.75) * (area[3] - width))
    x_mm = (np.arange(width) + 0.5 - width / 2)[None] * scale
    z_mm = (np.arange(height) + 0.5)[:, None] * scale + top_mm
    is_flipped = bool(rng.random() < 0.05)
    z_mm = z_mm[::-1] if is_flipped else z_mm
    across, along = shape.beams(*np.broadcast_arrays(x_mm, z_mm))
    inside = (across >= 0) & (across <= 1) & (along >= 0) & (along <= 1)
    face = top - top_mm / scale if not is_flipped else top + height + top_mm / scale
    return PlacedShape(
        shape, (top, left, height, width), scale, across.astype(np.float32), along.astype(np.float32), inside, face, is_flipped
    )
