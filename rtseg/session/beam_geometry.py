"""Read or derive the beam geometry of a fan: from a JSON file, or from the sector that was found on the screen."""

import json
from dataclasses import dataclass
from math import atan2, hypot, isfinite, radians
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from rtseg.errors import ConfigError
from rtseg.frame import Spacing
from rtseg.kernels.bmode.scan_conversion import Fan
from rtseg.session.sector.shape import Points, Sector, SectorKind, Size, clip_polygon, frame_outline

FORMAT = (
    '{"size": [H, W], "unit": "px" or "mm", "apex": [x, y], "radii": [near, far], "angles_deg": [left, right], '
    '"samples": N, "lines": N}'
)
_KEYS = {"size", "unit", "apex", "radii", "angles_deg", "samples", "lines"}
_MAX_FILE = 1 << 16  # bytes
_MAX_SIDE = 4096  # samples and lines
_MIN_OVERLAP = 0.8  # intersection over union of a given fan and the fan-shaped sector that was found
_MIN_INSIDE = 0.5  # share of the fan's bounding polygon that lies in the frame
_MAX_ANISOTROPY = 0.02  # relative difference of the pixel's sides: beyond it, a fan on the screen is no circle's sector
_MAX_SPREAD = 0.04  # relative deviation of the far arc's corners from their median distance
_LEAN = 0.05  # smallest components of a side's unit normal
_BORDER = 1.5  # pixels from the frame's edge at which a corner may be cut off


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


@dataclass(frozen=True, slots=True)
class BeamFile:
    """Holds the geometry of a JSON file, which is checked against each sector that is found. Raises ConfigError."""

    path: Path
    """The file, for messages."""
    size: Size
    """(H, W) of the frames."""
    is_mm: bool
    """Whether lengths are in millimeters from the first pixel, and not in pixels."""
    apex: tuple[float, float]
    """(x, y) of the point where the lines meet."""
    radii: tuple[float, float]
    """Distance of the first and the last sample from the apex."""
    angles_deg: tuple[float, float]
    """Angle of the first and the last line, 0 downward and positive toward the right."""
    shape: tuple[int, int]
    """(samples, lines)."""

    @classmethod
    def read(cls, path: Path) -> "BeamFile":
        """Read a geometry file. Raises ConfigError."""
        try:
            with path.open("rb") as file:
                text = file.read(_MAX_FILE + 1)
            values = json.loads(text) if len(text) <= _MAX_FILE else None
        except (OSError, ValueError, RecursionError) as error:
            raise ConfigError(
                f"--beam-space {path} cannot be read ({type(error).__name__}): give a JSON file {FORMAT}, or sector"
            ) from None
        if not isinstance(values, dict) or set(values) != _KEYS or values["unit"] not in ("px", "mm"):
            raise ConfigError(f"{path} is no beam geometry: give exactly {FORMAT}")
        size, shape = _integers(path, values, "size"), _integers(path, values, "samples", "lines")
        apex, radii, angles = (_pair(path, values, name) for name in ("apex", "radii", "angles_deg"))
        made = cls(path, size, values["unit"] == "mm", apex, radii, angles, shape)
        made._fan((1.0, 1.0))  # an impossible fan is refused before the stream is opened
        return made

    def grid(self, sector: Sector, spacing_mm: Spacing | None, network: Size) -> BeamGrid:  # noqa: ARG002
        """Return the grid of the file. Raises ConfigError where it is of other frames, or of another sector."""
        if sector.size != self.size:
            raise ConfigError(
                f"{self.path} is of frames of {self.size[1]}x{self.size[0]} and these are {sector.size[1]}x{sector.size[0]}: "
                f"give the geometry of these frames"
            )
        if self.is_mm and not spacing_mm:
            raise ConfigError(f"{self.path} is in mm and the pixel size is unknown: give --spacing MM, or a geometry in px")
        if self.is_mm and spacing_mm and abs(spacing_mm[0] / spacing_mm[1] - 1) > _MAX_ANISOTROPY:
            raise ConfigError(f"pixels of {spacing_mm} mm are not square, so that the fan is distorted: resample the frames")
        fan = self._fan(spacing_mm if self.is_mm and spacing_mm else (1.0, 1.0))
        self._check(fan, sector)
        return BeamGrid(fan, self.shape)

    def _fan(self, spacing_mm: Spacing) -> Fan:
        along = sum(spacing_mm) / 2
        apex = (self.apex[1] / spacing_mm[0], self.apex[0] / spacing_mm[1])
        try:
            return Fan(apex, self.radii[0] / along, self.radii[1] / along, *map(radians, self.angles_deg))
        except ConfigError:
            raise ConfigError(
                f"{self.path} has radii {self.radii} and angles {self.angles_deg}: give 0 <= near < far and "
                f"-180 <= left < right <= 180"
            ) from None

    def _check(self, fan: Fan, sector: Sector) -> None:
        outline = _polygon(fan)
        inside = _clip(outline, frame_outline(sector.size))
        if _area(inside) < _MIN_INSIDE * _area(outline):
            raise ConfigError(f"the fan of {self.path} lies mostly outside the frame: check apex, radii, angles and unit")
        if sector.kind not in (SectorKind.CURVILINEAR, SectorKind.PHASED):
            return
        both = _area(_clip(inside, np.array(sector.outline)))
        overlap = both / (_area(inside) + _area(np.array(sector.outline)) - both)
        if overlap < _MIN_OVERLAP:
            raise ConfigError(
                f"the fan of {self.path} is not the sector on the screen, {sector} (overlap {overlap:.2f}): "
                f"give the geometry of this depth and probe, or --beam-space sector"
            )


class BeamsOfSector:
    """Derives the geometry from the sector found on the screen, anew for each other sector. Raises ConfigError."""

    def grid(self, sector: Sector, spacing_mm: Spacing | None, network: Size) -> BeamGrid | None:  # noqa: ARG002
        """Return the grid with as many samples and lines as the network has rows and columns."""
        if sector.kind is SectorKind.UNKNOWN:
            return None
        if sector.kind not in (SectorKind.CURVILINEAR, SectorKind.PHASED):
            raise _no_fan(sector, "it is not a fan")
        return BeamGrid(fan_of_sector(sector), network)


def parse_geometry(text: str) -> BeamGeometry:
    """Parse the value of `--beam-space`: sector, or a JSON file. Raises ConfigError."""
    return BeamsOfSector() if text == "sector" else BeamFile.read(Path(text))


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


def _pair(path: Path, values: dict[str, Any], name: str) -> tuple[float, float]:
    found = values[name]
    is_number = (
        [isinstance(each, (int, float)) and not isinstance(each, bool) for each in found] if isinstance(found, list) else []
    )
    if is_number != [True, True] or not all(isfinite(each) and abs(each) < 1e6 for each in found):
        raise ConfigError(f"{name} of {path} is {str(found)[:80]}: give two numbers, as in {FORMAT}")
    return float(found[0]), float(found[1])


def _integers(path: Path, values: dict[str, Any], *names: str) -> tuple[int, int]:
    found = values[names[0]] if len(names) == 1 else [values[name] for name in names]
    if (
        not isinstance(found, list)
        or len(found) != 2
        or not all(type(each) is int and 2 <= each <= _MAX_SIDE for each in found)
    ):
        raise ConfigError(f"{' and '.join(names)} of {path} are {str(found)[:80]}: give whole numbers from 2 to {_MAX_SIDE}")
    return found[0], found[1]


def _polygon(fan: Fan) -> Points:
    """Return the convex polygon of a fan with its far arc in 32 pieces, x and y; near corners included."""
    angles = np.linspace(fan.left, fan.right, 33)
    arc = np.stack([fan.apex[1] + fan.far * np.sin(angles), fan.apex[0] + fan.far * np.cos(angles)], 1)
    ends = np.array([(fan.apex[1] + fan.near * np.sin(a), fan.apex[0] + fan.near * np.cos(a)) for a in (fan.right, fan.left)])
    return np.concatenate([arc, ends])


def _clip(polygon: Points, convex: Points) -> Points:
    center = convex.mean(0)
    for here, there in zip(convex, np.roll(convex, -1, 0), strict=True):
        inward = np.array([here[1] - there[1], there[0] - here[0]])
        if len(polygon):
            polygon = clip_polygon(polygon, here, inward * np.sign(inward @ (center - here)))
    return polygon


def _area(polygon: Points) -> float:
    if len(polygon) < 3:
        return 0.0
    x, y = polygon.T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)
