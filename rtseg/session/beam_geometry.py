"""Read the beam geometry of a fan from a JSON file, and parse the value of `--beam-space`."""

import json
from dataclasses import dataclass
from math import isfinite, radians
from pathlib import Path
from typing import Any

import numpy as np

from rtseg.errors import ConfigError
from rtseg.frame import Spacing
from rtseg.kernels.bmode.scan_conversion import Fan
from rtseg.session.beam_grid import BeamGeometry, BeamGrid, clip_to, fan_polygon, polygon_area
from rtseg.session.sector.shape import Sector, SectorKind, Size, frame_outline
from rtseg.session.sector_beams import BeamsOfSector

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
        outline = fan_polygon(fan)
        inside = clip_to(outline, frame_outline(sector.size))
        if polygon_area(inside) < _MIN_INSIDE * polygon_area(outline):
            raise ConfigError(f"the fan of {self.path} lies mostly outside the frame: check apex, radii, angles and unit")
        if sector.kind not in (SectorKind.CURVILINEAR, SectorKind.PHASED):
            return
        both = polygon_area(clip_to(inside, np.array(sector.outline)))
        overlap = both / (polygon_area(inside) + polygon_area(np.array(sector.outline)) - both)
        if overlap < _MIN_OVERLAP:
            raise ConfigError(
                f"the fan of {self.path} is not the sector on the screen, {sector} (overlap {overlap:.2f}): "
                f"give the geometry of this depth and probe, or --beam-space sector"
            )


def parse_geometry(text: str) -> BeamGeometry:
    """Parse the value of `--beam-space`: sector, or a JSON file. Raises ConfigError."""
    return BeamsOfSector() if text == "sector" else BeamFile.read(Path(text))


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
