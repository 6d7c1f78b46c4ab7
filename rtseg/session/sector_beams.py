"""Derive the beam geometry from the fan-shaped sector that was found on the screen."""

from dataclasses import dataclass
from math import atan2, hypot

import numpy as np

from rtseg.errors import ConfigError
from rtseg.frame import Spacing
from rtseg.kernels.bmode.scan_conversion import Fan
from rtseg.session.beam_grid import BeamGrid
from rtseg.session.sector.shape import Points, Sector, SectorKind, Size

_MAX_SPREAD = 0.04  # relative deviation of the far arc's corners from their median distance
_LEAN = 0.05  # smallest components of a side's unit normal
_BORDER = 1.5  # pixels from the frame's edge at which a corner may be cut off


@dataclass(frozen=True, slots=True)
class BeamsOfSector:
    """Derives the geometry from the sector found on the screen, anew for each other sector. Raises ConfigError."""

    def grid(self, sector: Sector, spacing_mm: Spacing | None, network: Size) -> BeamGrid | None:  # noqa: ARG002
        """Return the grid with as many samples and lines as the network has rows and columns."""
        if sector.kind is SectorKind.UNKNOWN:
            return None
        if sector.kind not in (SectorKind.CURVILINEAR, SectorKind.PHASED):
            raise _no_fan(sector, "it is not a fan")
        return BeamGrid(fan_of_sector(sector), network)


def fan_of_sector(sector: Sector) -> Fan:
    """Return the fan of a fan-shaped sector: its sides meet in the apex. Raises ConfigError where that is ambiguous."""
    outline = np.array(sector.outline)
    (top_left, left), (top_right, right) = (_side(sector, outline, sign) for sign in (1, -1))
    try:
        along, _ = np.linalg.solve(np.stack([left, -right], 1), top_right - top_left)
    except np.linalg.LinAlgError:
        raise _no_fan(sector, "its sides are parallel") from None
    apex = top_left + along * left
    if apex[1] > min(top_left[1], top_right[1]) + _BORDER:
        raise _no_fan(sector, "its sides do not meet above it")
    if min(top_left[1], top_right[1]) < _BORDER:
        raise _no_fan(sector, "the frame cuts off its top")
    near = float(np.mean([hypot(*(corner - apex)) for corner in (top_left, top_right)]))
    angles = (atan2(left[0], left[1]), atan2(right[0], right[1]))
    far = _far(sector, outline, apex, max(top_left[1], top_right[1]))
    return Fan((float(apex[1]), float(apex[0])), near, far, *angles)


def _side(sector: Sector, outline: Points, sign: int) -> tuple[Points, Points]:
    """Return the upper end of the left (sign 1) or right (-1) side, and its downward direction."""
    best: tuple[float, Points, Points] | None = None
    center = outline.mean(0)
    for here, there in zip(outline, np.roll(outline, -1, 0), strict=True):
        upper, lower = (here, there) if here[1] < there[1] else (there, here)
        length = hypot(*(lower - upper))
        if length < 1:
            continue
        direction = (lower - upper) / length
        normal = np.array([direction[1], -direction[0]])
        normal *= np.sign(normal @ (center - upper))
        if sign * normal[0] > _LEAN and normal[1] > _LEAN and (best is None or length > best[0]):
            best = length, upper, direction
    if best is None:
        raise _no_fan(sector, f"it has no {'left' if sign == 1 else 'right'} side")
    return best[1:]


def _far(sector: Sector, outline: Points, apex: Points, top: float) -> float:
    """Return the distance of the far arc: the corners below the top that the frame does not cut off agree on it."""
    height, width = sector.size
    low, high = np.full(2, _BORDER), np.array([width, height]) - 1 - _BORDER
    corners = outline[(outline[:, 1] > top + _BORDER) & (outline > low).all(1) & (outline < high).all(1)]
    distances = np.hypot(*(corners - apex).T)
    if len(distances) < 2 or abs(distances / np.median(distances) - 1).max() > _MAX_SPREAD:
        raise _no_fan(sector, "its lower end is not an arc")
    return float(np.median(distances))


def _no_fan(sector: Sector, reason: str) -> ConfigError:
    return ConfigError(f"the beams cannot be derived from the sector {sector}, {reason}: give --beam-space FILE.json")
