"""Measures how well the sector is found and its surroundings are hidden, on clips whose truth is known."""

import json
from collections import deque
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from rtseg.errors import ConfigError
from rtseg.frame import Frame, Image, Mask
from rtseg.session.depth_scale.card_scale import SCALE_FRAMES, read_scale
from rtseg.session.sector import Redactor, SectorFinder
from rtseg.sources import open_source

FOUND_FRAMES = 10  # frames within which a sector counts as found in time
FOUND_IOU = 0.85  # intersection over union from which a sector counts as found
SCALE_TOLERANCE = 0.02  # relative error of a right scale
_SUFFIXES = (".mp4", ".mov", ".mha", ".h264", ".mkv", ".avi")
_BLACK = 8  # gray levels: a redacted pixel
_HIDDEN = 0.99  # share of a text's pixels that are black when it is hidden


@dataclass(frozen=True, slots=True)
class ClipTruth:
    """Holds what is known about a clip."""

    path: Path
    """The clip."""
    sector: Mask
    """(H, W): the sector's pixels."""
    texts: tuple[tuple[int, int, int, int], ...]
    """Boxes of the texts outside the sector: top, left, height, width."""
    details: dict[str, Any]
    """Layout, mode and kind, for the report."""


@dataclass(frozen=True, slots=True)
class SectorRow:
    """Holds the result of one clip."""

    clip: str
    """Name of the clip."""
    iou: float
    """Intersection over union of the last frame's sector and the truth."""
    found: bool
    """Whether a sector of FOUND_IOU was known by frame FOUND_FRAMES."""
    sector: str
    """Kind of the last frame's sector."""
    changes: int
    """Changes of the sector's box after frame FOUND_FRAMES."""
    texts: int
    """Number of texts outside the sector."""
    hidden: int
    """Number of those that are black in the redacted last frame."""
    lost: float
    """Share of the true sector's pixels that are redacted in the last frame."""
    withheld: float
    """Share of frames that are wholly black."""
    mm_per_pixel: float | None
    """What the depth scale was read as; None: refused."""
    scale_error: float | None
    """Relative error of that; None where it was refused, or the truth is not known."""
    refused: str
    """Why the scale was refused, or nothing."""
    details: dict[str, Any]
    """Layout, mode and kind."""


def read_truths(folder: Path) -> list[ClipTruth]:
    """Return the clips of a folder with a JSON file each. Raises ConfigError where there is none, or one is not understood."""
    found = [_read_truth(path) for path in sorted(folder.glob("*.json"))]
    if not found:
        raise ConfigError(
            f"{folder} holds no clip with a truth: make some with python -m rtseg.sources.synthetic.screens --seed 1 "
            f"--count 10 --out {folder}"
        )
    return found


def measure_clip(truth: ClipTruth) -> SectorRow:
    """Run a clip through the finder and the redactor, and return the result."""
    finder, redactor, boxes = SectorFinder(), Redactor(), []
    found, withheld, count = False, 0, 0
    sector, redacted, frame = None, None, None
    newest = deque[Image](maxlen=SCALE_FRAMES)
    with closing(open_source(str(truth.path))) as source:
        for frame in source:
            sector, _ = finder.observe(frame)
            redacted = redactor.redact(frame, sector).image
            count, withheld = count + 1, withheld + (not redacted.any())
            boxes.append(sector.box)
            newest.append(frame.image)
            if count == FOUND_FRAMES:
                found = sector.knowledge == "known" and _iou(sector.mask(), truth.sector) >= FOUND_IOU
    if sector is None or redacted is None or frame is None:
        raise ConfigError(f"{truth.path} has no frame: make it again")
    changes = sum(a != b for a, b in zip(boxes[FOUND_FRAMES:], boxes[FOUND_FRAMES + 1 :], strict=False))
    hidden = sum(_is_hidden(redacted, box) for box in truth.texts)
    lost = _lost(frame, redacted, truth.sector)
    iou = _iou(sector.mask(), truth.sector) if sector.knowledge == "known" else 0.0
    found = iou >= FOUND_IOU if count < FOUND_FRAMES else found  # a clip may be shorter
    scale = read_scale(list(newest), sector)
    true_mm, mm = truth.details.get("mm_per_pixel"), scale.mm_per_pixel
    error = mm / true_mm - 1 if mm and true_mm else None
    return SectorRow(
        truth.path.name,
        iou,
        found,
        sector.kind.value,
        changes,
        len(truth.texts),
        hidden,
        lost,
        withheld / count,
        mm,
        round(error, 5) if error is not None else None,
        scale.provenance if mm is None else "",
        truth.details,
    )


def summarize(rows: Iterable[SectorRow]) -> dict[str, Any]:
    """Return the figures over all clips, for JSON."""
    rows = list(rows)
    scales = [row for row in rows if row.details.get("has_scale")]
    ious, texts = [row.iou for row in rows], sum(row.texts for row in rows)
    return {
        "clips": len(rows),
        "iou_median": round(float(np.median(ious)), 4),
        "iou_p5": round(float(np.percentile(ious, 5)), 4),
        "found_within_10": round(float(np.mean([row.found for row in rows])), 4),
        "stable": round(float(np.mean([row.changes == 0 for row in rows])), 4),
        "text_recall": round(sum(row.hidden for row in rows) / texts, 4) if texts else None,
        "pixels_lost": round(float(np.mean([row.lost for row in rows])), 4),
        "withheld": round(float(np.mean([row.withheld for row in rows])), 4),
        "scale_within_2pct": round(sum(map(_is_right, scales)) / len(scales), 4) if scales else None,
        "scale_refused": round(sum(row.mm_per_pixel is None for row in scales) / len(scales), 4) if scales else None,
        "scale_wrong": sum(row.scale_error is not None and not _is_right(row) for row in rows),
        "rows": [asdict(row) for row in rows],
    }


def _is_right(row: SectorRow) -> bool:
    return row.scale_error is not None and abs(row.scale_error) <= SCALE_TOLERANCE


def _read_truth(path: Path) -> ClipTruth:
    try:
        values = json.loads(path.read_text())
        texts = tuple(tuple(text["box"]) for text in values["text"] if not text["over_sector"])
        mask = cv2.imread(str(path.with_name(Path(values["sector"]).name)), cv2.IMREAD_GRAYSCALE)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is no truth of a screen ({type(error).__name__}): make it again") from None
    clips = [path.with_suffix(suffix) for suffix in _SUFFIXES if path.with_suffix(suffix).exists()]
    if mask is None or not clips:
        raise ConfigError(f"{path} lacks its {'clip' if mask is not None else 'mask'}: make it again")
    details = {name: values[name] for name in ("layout", "mode", "kind", "mm_per_pixel", "has_scale") if name in values}
    return ClipTruth(clips[0], mask > 0, texts, details)


def _iou(one: Mask, other: Mask) -> float:
    if one.shape != other.shape:
        return 0.0
    return float(np.count_nonzero(one & other) / max(1, int(np.count_nonzero(one | other))))


def _is_hidden(redacted: Image, box: tuple[int, int, int, int]) -> bool:
    top, left, height, width = box
    part = redacted[top : top + height, left : left + width]
    return bool(part.size == 0 or np.mean(part < _BLACK) >= _HIDDEN)


def _lost(frame: Frame, redacted: Image, sector: Mask) -> float:
    """Return the share of the sector's lit pixels that are black now."""
    lit = frame.image.reshape(*sector.shape, -1).max(2) >= _BLACK
    lit &= sector
    gone = redacted.reshape(*sector.shape, -1).max(2) == 0
    return float(np.count_nonzero(lit & gone) / max(1, int(np.count_nonzero(lit))))
