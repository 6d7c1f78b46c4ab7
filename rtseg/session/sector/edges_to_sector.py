"""Select the edges of the tissue that bound the sector, and classify the shape that they form."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from rtseg.frame import Mask
from rtseg.session.sector.edges import Edge, convex_hull, find_edges
from rtseg.session.sector.evidence import (
    BinaryImage,
    Evidence,
    GrayImage,
    above_background,
    background_level,
    lit_mask,
    panel_mask,
    sampling_step,
    screen_thumbnail,
    tissue_mask,
    title_bar_mask,
)
from rtseg.session.sector.shape import (
    Points,
    Sector,
    SectorKind,
    Size,
    as_outline,
    clip_polygon,
    frame_outline,
    top_width_ratio,
    whole_sector,
)

# In the stills of `carotid`, long edges of tissue that fades out are mostly sharp along less than 0.1 of their length.
# Edges of a sector, in `fetal_head` and `nerve_vessel`, are sharp along 0.6 to 1.
_MIN_SUPPORT = 0.5
_MIN_SHARPNESS = 0.45  # share of the outline inside the frame that must be sharp
_LEVELS = (1, 3, 6)  # gray levels above the background: clean, coded and noisy stills; more would lose faint tissue
_CERTAIN_SHARPNESS = 0.95  # share of the outline at which no further threshold is tried
_MIN_GAIN = 0.05  # share of the outline by which a higher threshold must be sharper
_MIN_SIDE = 0.2  # smallest height and width, relative to the frame's
_MAX_PANEL_SHARE = 0.5  # share of flat pixels above which a region is a menu
_MAX_OUTSIDE = 0.35  # largest share of supposed tissue outside, as letters; a moving vessel wall has sharp edges too
_MAX_TILT = 0.05  # largest smaller component of an upright edge's unit normal: 3 degrees
_POINTED_WIDTH = 0.1  # width at the top of a phased-array sector, relative to its greatest width
_FOREIGN_LEVELS, _FOREIGN_SHARE = 40, 0.0005  # brightness and share of the frame, away from the tissue, that make letters
_MAX_FRAME_PANELS = 0.02  # largest share of panels on a frame that is all ultrasound
_TISSUE_MARGIN = 9  # pixels of the thumbnail around the hull that still count as tissue


@dataclass(frozen=True, slots=True)
class SectorCandidate:
    """Holds the tissue found at one threshold, as a candidate for the sector."""

    hull: Points  # (N, 2) in pixels of the evidence
    edges: Sequence[Edge]  # the sharp ones
    sharpness: float  # sharp share of the hull inside the frame, 0 to 1


def find_sector(evidence: Evidence) -> Sector:
    """Return the sector that the evidence shows, or the whole frame."""
    thumb = screen_thumbnail(evidence.brightest)
    above = above_background(evidence.brightest, background_level(thumb))
    best: SectorCandidate | None = None
    for candidate in _candidates(evidence, above):
        if best is None or candidate.sharpness > best.sharpness + _MIN_GAIN:
            best = candidate
        if best.sharpness >= _CERTAIN_SHARPNESS:
            break
    if best is None or best.sharpness < _MIN_SHARPNESS:
        return whole_sector(evidence.size, float(is_clean(above, best.hull if best else None)))
    return _sector_of(best, evidence)


def _candidates(evidence: Evidence, above: GrayImage) -> Iterator[SectorCandidate]:
    """Yield candidates at each threshold: of all lit pixels, of those outside panels, and of those that move."""
    bars, moving, step = panel_mask(above), evidence.motion_mask(), sampling_step(*above.shape)
    titles = title_bar_mask(bars)
    for levels in _LEVELS:
        lit = np.where(titles, np.uint8(0), lit_mask(above, levels))
        all_tissue, tissue_without_panels = tissue_mask(lit), tissue_mask(np.where(bars, np.uint8(0), lit))
        moving_tissue = [] if moving is None else [tissue_mask(np.where(moving, lit, np.uint8(0)))]
        for region in ([all_tissue, tissue_without_panels] if bars.any() else [all_tissue]) + moving_tissue:
            if region.any() and _is_plausible(hull := convex_hull(region), region, tissue_without_panels, bars):
                yield _candidate(hull * step, above, levels)


def _is_plausible(hull: Points, region: BinaryImage, tissue_without_panels: BinaryImage, bars: Mask) -> bool:
    """Return whether a region may be the ultrasound: large, no panel, and with nearly all of the supposed tissue."""
    if is_small(hull, (region.shape[0], region.shape[1])) or bars[region > 0].mean() > _MAX_PANEL_SHARE:
        return False
    outside = cv2.fillConvexPoly(tissue_without_panels.copy(), hull.astype(np.int32), 0)
    return bool(outside.sum() <= _MAX_OUTSIDE * tissue_without_panels.sum())


def is_small(outline: Points, size: Size) -> bool:
    height, width = size
    return bool((np.ptp(outline, axis=0) < _MIN_SIDE * np.array((width, height))).any())


def _candidate(hull: Points, above: GrayImage, levels: int) -> SectorCandidate:
    edges = list(find_edges(hull, above, levels))
    sharp = [edge for edge in edges if edge.support >= _MIN_SUPPORT]
    share = sum(edge.length * edge.support for edge in sharp) / max(1.0, sum(edge.length for edge in edges))
    return SectorCandidate(hull, sharp, share)


def _sector_of(candidate: SectorCandidate, evidence: Evidence) -> Sector:
    """Return the frame cut along each sharp edge; where the tissue fades out, nothing is cut."""
    size, step = evidence.size, evidence.step
    outline = frame_outline(size)
    for edge in candidate.edges:
        outline = clip_polygon(outline, edge.point * step - edge.inward * (step - 1), edge.inward)
    if len(outline) < 3 or is_small(outline, size):
        return whole_sector(size)
    return Sector(classify_shape(candidate.edges, outline), size, as_outline(outline), round(candidate.sharpness, 3))


def classify_shape(edges: Sequence[Edge], outline: Points) -> SectorKind:
    longest = sorted(edges, key=lambda edge: edge.length)[-2:]
    if all(np.abs(edge.inward).min() <= _MAX_TILT for edge in longest):
        return SectorKind.LINEAR
    return SectorKind.PHASED if top_width_ratio(outline) < _POINTED_WIDTH else SectorKind.CURVILINEAR


def is_clean(above: GrayImage, hull: Points | None) -> bool:
    """Return whether only specks are lit outside the hull of the tissue, and no panel is on the frame."""
    if panel_mask(above).mean() > _MAX_FRAME_PANELS:
        return False
    step = sampling_step(*above.shape)
    lit = lit_mask(above, _FOREIGN_LEVELS)
    if hull is not None:
        corners = np.round(hull / step).astype(np.int32)
        cv2.fillConvexPoly(lit, corners, 0)
        cv2.polylines(lit, [corners], isClosed=True, color=0, thickness=2 * _TISSUE_MARGIN)
    return bool(lit.mean() < _FOREIGN_SHARE)
