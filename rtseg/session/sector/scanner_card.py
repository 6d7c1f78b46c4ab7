"""Read and write scanner cards: where the ultrasound of one scanner's layout is, and how its screen is recognized.

A card holds numbers only, and no pixels or letters: cells of the screen are much larger than a letter.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from rtseg.errors import ConfigError
from rtseg.frame import Frame, Image, Mask
from rtseg.session.sector.evidence import above_background, background_level, subsample
from rtseg.session.sector.locator import SectorFinder
from rtseg.session.sector.shape import Sector, SectorKind, Size, as_outline

ROWS, COLUMNS = 18, 32  # cells of the layout
_LIT_LEVELS, _LIT_SHARE = 16, 0.04  # gray levels above the ground, and share of a cell that is lit
_MIN_ALIKE = 0.8  # intersection over union of the lit cells around the sector, of the card and of the frame
_FEW = 6  # lit cells that may differ on a screen with few
_CHECK_EVERY, _MAX_MISFITS = 8, 2  # frames between checks of the layout, and misfits in a row that end the card's use
_MAX_TICKS = 500
_MAX_FILE = 1 << 16  # bytes
_REMEDY = "make it again with rtseg doctor --source URI --save"


@dataclass(frozen=True, slots=True)
class CardScale:
    """Holds what the depth scale says, and where it stands."""

    mm_per_pixel: float | None = None
    """Height of a pixel in millimeters; None where the scale was not read."""
    provenance: str = "not read"
    """What it was read from, or why it was not, in words."""
    ticks: tuple[int, int, float, float, int] | None = None
    """Left and right column of the ticks, row of the first, distance of two in pixels, and their number; None: not read."""


@dataclass(frozen=True, slots=True)
class ScannerCard:
    """Holds what is known about one layout of one scanner."""

    sector: Sector
    """Where the ultrasound is."""
    layout: tuple[str, ...]
    """Rows of 0 and 1: the cells in which something is lit around the sector."""
    fps: float
    """Frames a second that the source gives."""
    duplicates: float
    """Share of the frames that repeat the one before."""
    color_range: str
    """full or limited: whether black is 0 or 16."""
    scale: CardScale = CardScale()
    """What the depth scale says."""
    pattern: str = ""
    """How frames repeat, such as 2:3 where each picture is given two and three times in turns; "" where they do not."""

    def to_toml(self) -> str:
        """Return the card as TOML."""
        sector = self.sector
        pairs: dict[str, dict[str, Any]] = {
            "card": {"version": 1, "frame": list(sector.size)},
            "sector": {
                "kind": sector.kind.value,
                "confidence": sector.confidence,
                "outline": [[round(x, 2), round(y, 2)] for x, y in sector.outline],
                **({"face": [round(value, 2) for value in sector.face]} if sector.face else {}),
            },
            "layout": {"cells": list(self.layout)},
            "scale": _scale_values(self.scale),
            "grabber": {
                "fps": round(self.fps, 3),
                "duplicates": round(self.duplicates, 4),
                **({"pattern": self.pattern} if self.pattern else {}),
            },
            "color": {"range": self.color_range},
        }
        tables = (
            f"[{table}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in rows.items()) for table, rows in pairs.items()
        )
        return (
            "# A scanner card of rtseg: for rtseg run --scanner. It holds no pixels and no text of the screen.\n\n"
            + "\n".join(tables)
        )


def read_card(path: Path) -> ScannerCard:
    """Read a card. Raises ConfigError where it is no card."""
    try:
        text = path.read_bytes()[: _MAX_FILE + 1].decode()
        values = _parse(text) if len(text) <= _MAX_FILE else {}
        size = tuple(int(side) for side in values["card"]["frame"])
        outline = np.array(values["sector"]["outline"], np.float64)
        cells = tuple(str(row) for row in values["layout"]["cells"])
        face = values["sector"].get("face")
        sector = Sector(
            SectorKind(values["sector"]["kind"]),
            (size[0], size[1]),
            as_outline(outline),
            float(values["sector"]["confidence"]),
            (float(face[0]), float(face[1]), float(face[2])) if face else None,
        )
        grabber = values["grabber"]
        card = ScannerCard(
            sector,
            cells,
            float(grabber["fps"]),
            float(grabber["duplicates"]),
            str(values["color"]["range"]),
            _read_scale(values.get("scale", {})),
            str(grabber.get("pattern", "")),
        )
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise ConfigError(f"{path} is no scanner card ({type(error).__name__}): {_REMEDY} {path.name}") from None
    corners = np.array(sector.outline)
    is_inside = len(corners) >= 3 and corners.min() >= 0 and (corners.max(0) <= (size[1] - 1, size[0] - 1)).all()
    if not is_inside or len(cells) != ROWS or any(len(row) != COLUMNS or set(row) - {"0", "1"} for row in cells):
        raise ConfigError(f"{path} is no scanner card (its sector or its layout): {_REMEDY} {path.name}")
    return card


def layout_cells(image: Image, sector: Sector) -> tuple[str, ...]:
    """Return the rows of cells, 1 where something is lit outside the sector."""
    return tuple("".join("1" if lit else "0" for lit in row) for row in _lit_cells(image, sector))


def _scale_values(scale: CardScale) -> dict[str, Any]:
    values: dict[str, Any] = {"provenance": scale.provenance}
    if scale.mm_per_pixel is not None and scale.ticks is not None:
        values |= {"mm_per_pixel": round(scale.mm_per_pixel, 6), "ticks": [round(value, 3) for value in scale.ticks]}
    return values


def _read_scale(values: dict[str, Any]) -> CardScale:
    """Return the scale of a card's table. Raises ValueError, TypeError, KeyError where it is damaged."""
    provenance = str(values.get("provenance", "not read"))
    if "mm_per_pixel" not in values:
        return CardScale(provenance=provenance)
    mm, (left, right, first, spacing, count) = float(values["mm_per_pixel"]), values["ticks"]
    ticks = int(left), int(right), float(first), float(spacing), int(count)
    is_possible = math.isfinite(mm) and mm > 0 and all(map(math.isfinite, ticks)) and ticks[3] > 0
    if not (is_possible and 0 <= ticks[0] <= ticks[1] and 0 < ticks[4] <= _MAX_TICKS):
        raise ValueError("a scale of no size")
    return CardScale(mm, provenance, ticks)


class CardLocator:
    """Locates the sector where a scanner card says that it is, from the first frame on, without a search.

    Frames of another size, and a first frame with another layout, are refused by name. Where the layout changes later, the
    card is not used any more: the sector is searched, and the change is told as another screen.
    """

    def __init__(self, card: ScannerCard, name: str) -> None:
        self._card, self._name = card, name
        self.forget()

    def forget(self) -> None:
        """Treat the next frame as the first one."""
        self._finder: SectorFinder | None = None
        self._seen = self._misfits = 0

    def observe(self, frame: Frame) -> tuple[Sector, str]:
        """Return the sector of the next frame, and why the screen is another one. Raises ConfigError for another scanner's."""
        if self._finder:
            return self._finder.observe(frame)
        self._check_size((frame.height, frame.width))
        is_first, self._seen = self._seen == 0, self._seen + 1
        if not is_first and self._seen % _CHECK_EVERY:
            return self._card.sector, ""
        if self._fits(frame.image):
            self._misfits = 0
            return self._card.sector, ""
        if is_first:
            raise ConfigError(f"{self._name} is the card of another scanner or layout: {_REMEDY}, or leave --scanner out")
        self._misfits += 1
        if self._misfits < _MAX_MISFITS:
            return self._card.sector, ""
        self._finder = SectorFinder()
        return self._finder.observe(frame)[0], f"the layout no longer fits {self._name}: another depth, probe or layout"

    def _check_size(self, size: Size) -> None:
        height, width = self._card.sector.size
        if size != (height, width):
            raise ConfigError(
                f"{self._name} is of frames of {width}x{height} and these are {size[1]}x{size[0]}: {_REMEDY}, "
                f"or leave --scanner out"
            )

    def _fits(self, image: Image) -> bool:
        """Return whether the frame shows the card's layout; a frame without a picture does not speak against it."""
        now = _lit_cells(image, self._card.sector)
        then = np.array([[cell == "1" for cell in row] for row in self._card.layout])
        both, either = np.count_nonzero(now & then), np.count_nonzero(now | then)
        return bool(not image.any() or either - both <= _FEW or both >= _MIN_ALIKE * either)


def _lit_cells(image: Image, sector: Sector) -> Mask:
    step = max(1, min(image.shape[0] // (4 * ROWS), image.shape[1] // (4 * COLUMNS), 2))
    grey = subsample(image, step)
    lit = (above_background(grey, background_level(grey)) >= _LIT_LEVELS).astype(np.float32)
    outside = np.asarray(cv2.erode(1 - sector.mask().astype(np.uint8), np.ones((9, 9), np.uint8)), np.uint8)
    lit *= subsample(outside, step)
    share: Mask = cv2.resize(lit, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA) >= _LIT_SHARE
    return share


def _parse(text: str) -> dict[str, dict[str, Any]]:
    """Parse the part of TOML in which cards are written: tables of values that are JSON as well. Raises ValueError."""
    tables: dict[str, dict[str, Any]] = {}
    table: dict[str, Any] = {}
    for line in (line.strip() for line in text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            table = tables.setdefault(line[1:-1].strip(), {})
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            table[key.strip()] = json.loads(value)
    return tables
