"""Propose regions of a screen that may be ultrasound: large, solid, textured, and perhaps moving."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from rtseg.frame import Mask
from rtseg.session.sector.evidence import (
    BinaryImage,
    Evidence,
    GrayImage,
    above_background,
    background_level,
    lit_mask,
    panel_mask,
    screen_thumbnail,
    solid_mask,
)

_LEVELS = (3, 6, 1, 12)  # gray levels above the ground
_BRIGHT, _BLACK = 3, 12  # gray levels of a ground on which black stands out, and of that black
_FLAT_LEVELS = 2  # largest range of levels in the 5x5 square around a pixel of the ground
_MIN_GROUND = 0.04  # share of the thumbnail that a ground covers
_MAX_GROUNDS = 3
_MIN_AREA = 0.012  # share of the thumbnail that a region covers
_MAX_REGIONS = 6  # regions of a mask that are looked at, the largest first
_SPLIT = 0.15  # of the largest region's area: what a shadow may have split off
_MIN_SOLIDITY = 0.55  # share of its hull that a region and its holes fill


@dataclass(frozen=True, slots=True)
class Region:
    """Holds a region of the thumbnail that may be ultrasound."""

    lit: BinaryImage
    """(h, w): its lit pixels."""
    above: GrayImage
    """(H, W) of the evidence: distance of each pixel from the ground."""
    levels: int
    """Gray levels above the ground from which a pixel is lit."""
    motion: float
    """Share of the region that moves; 0 where nothing on the screen does."""
    has_black: bool = False
    """Whether flat black belongs to it, so that it may be a canvas."""


def propose_regions(evidence: Evidence) -> Iterator[Region]:
    """Yield regions for each ground of the screen and each threshold, and those that move."""
    thumb, moving = screen_thumbnail(evidence.brightest), evidence.motion_mask()
    for ground in grounds(thumb):
        above = _distance(evidence.brightest, ground)
        panels = panel_mask(above)
        for levels in _LEVELS:
            lit = np.where(panels, np.uint8(0), lit_mask(above, levels))
            masks = [lit] if moving is None else [np.where(moving, lit, np.uint8(0)), lit]
            for mask in masks:
                for part in _parts(mask):
                    share = 0.0 if moving is None else float(moving[part > 0].mean())
                    yield Region(part, above, levels, share)
        if ground > _BRIGHT:
            yield from _dark_regions(thumb, above, panels, moving)


def _dark_regions(thumb: GrayImage, above: GrayImage, panels: Mask, moving: Mask | None) -> Iterator[Region]:
    """Yield regions on a bright ground with the black in them: a fan shows itself by its black, too."""
    lit = np.where(panels & (thumb >= _BLACK), np.uint8(0), lit_mask(above, 6))
    for part in _parts(lit):
        yield Region(part, above, 6, 0.0 if moving is None else float(moving[part > 0].mean()), has_black=True)


def _distance(grey: GrayImage, ground: int) -> GrayImage:
    """Return the distance of each pixel from a ground, on which black stands out unless it is black itself."""
    if ground <= _BRIGHT:
        return above_background(grey, ground)
    return np.asarray(cv2.absdiff(grey, np.full_like(grey, ground)), np.uint8)


def grounds(thumb: GrayImage) -> list[int]:
    """Return the gray levels on which ultrasound may be drawn: those of large flat areas, the darkest included."""
    square = np.ones((5, 5), np.uint8)
    flat = cv2.subtract(cv2.dilate(thumb, square), cv2.erode(thumb, square)) <= _FLAT_LEVELS
    counts = np.bincount(thumb[flat], minlength=256).astype(np.float64)
    found = [background_level(thumb)]
    for _ in range(_MAX_GROUNDS):
        level = int(counts.argmax())
        if counts[max(0, level - 1) : level + 2].sum() < _MIN_GROUND * thumb.size:
            break
        if all(abs(level - other) > 3 for other in found):
            found.append(level)
        counts[max(0, level - 3) : level + 4] = 0
    return sorted(found)[:_MAX_GROUNDS]


def _parts(lit: BinaryImage) -> Iterator[BinaryImage]:
    """Yield the large solid parts of a mask, and their union where it is solid too."""
    dense = solid_mask(lit)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(dense)
    areas = stats[1:, cv2.CC_STAT_AREA]
    order = [k for k in np.argsort(-areas)[:_MAX_REGIONS] if areas[k] >= _MIN_AREA * lit.size]
    for k in order:
        yield _grown(labels == k + 1, lit)
    large = [k + 1 for k in np.argsort(-areas) if areas.size and areas[k] >= max(1, _SPLIT * areas.max())]
    if len(large) > 1:
        union = np.isin(labels, large)
        if union.sum() >= _MIN_SOLIDITY * _hull_area(union):
            yield _grown(union, lit)


def _grown(dense: Mask, lit: BinaryImage) -> BinaryImage:
    """Return the lit pixels in and near a part: at its edge, the square is dense only some pixels inside."""
    near = cv2.dilate(dense.astype(np.uint8), np.ones((7, 7), np.uint8))
    return np.asarray(cv2.bitwise_and(near, lit), np.uint8)


def _hull_area(mask: Mask) -> float:
    points = cv2.findNonZero(mask.astype(np.uint8))
    return float(cv2.contourArea(cv2.convexHull(points))) if points is not None else 0.0
