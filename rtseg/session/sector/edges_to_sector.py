"""Select the edges of the tissue that bound the sector, and classify the shape that they form."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from rtseg.frame import Mask
from rtseg.session.sector.edges import Edge, edges_of, hull_of
from rtseg.session.sector.evidence import (
    Evidence,
    Flags,
    Grey,
    above_ground,
    ground_of,
    lit_at,
    panels,
    step_of,
    thumbnail,
    tissue,
    title_bars,
)
from rtseg.session.sector.shape import Kind, Points, Sector, Size, as_outline, clipped, frame_outline, narrowing, whole

# In the stills of `carotid`, long edges of tissue that fades out are mostly sharp along less than 0.1 of their length.
# Edges of a sector, in `fetal_head` and `nerve_vessel`, are sharp along 0.6 to 1.
_SHARP = 0.5
_CONVINCING = 0.45  # share of the outline inside the frame that must be sharp
_LEVELS = (1, 3, 6)  # gray levels above the background: clean, coded and noisy stills; more would lose faint tissue
_SURE = 0.95  # share of the outline at which no further threshold is tried
_BETTER = 0.05  # share of the outline by which a higher threshold must be sharper
_LEAST_SIDE = 0.2  # smallest height and width, relative to the frame's
_BARS = 0.5  # share of flat pixels above which a region is a menu
_LEFT_OUT = 0.35  # largest share of supposed tissue outside, as letters; a moving vessel wall has sharp edges too
_UPRIGHT = 0.05  # largest smaller component of an upright edge's unit normal: 3 degrees
_POINTED = 0.1  # width at the top of a phased-array sector, relative to its greatest width
_FOREIGN_LEVELS, _FOREIGN_SHARE = 40, 0.0005  # brightness and share of the frame, away from the tissue, that make letters
_PANELS = 0.02  # largest share of panels on a frame that is all ultrasound
_APART = 9  # pixels of the thumbnail around the hull that still count as tissue


@dataclass(frozen=True, slots=True)
class Look:
    """Holds the tissue found at one threshold, as a candidate for the sector."""

    hull: Points  # (N, 2) in pixels of the evidence
    edges: Sequence[Edge]  # the sharp ones
    sharpness: float  # sharp share of the hull inside the frame, 0 to 1


def find(evidence: Evidence) -> Sector:
    """Return the sector that the evidence shows, or the whole frame."""
    thumb = thumbnail(evidence.brightest)
    above = above_ground(evidence.brightest, ground_of(thumb))
    best: Look | None = None
    for look in _looks(evidence, above):
        if best is None or look.sharpness > best.sharpness + _BETTER:
            best = look
        if best.sharpness >= _SURE:
            break
    if best is None or best.sharpness < _CONVINCING:
        return whole(evidence.size, float(_is_clean(above, best.hull if best else None)))
    return _shaped(best, evidence)


def _looks(evidence: Evidence, above: Grey) -> Iterator[Look]:
    """Yield candidates at each threshold: of all lit pixels, of those outside panels, and of those that move."""
    bars, moving, step = panels(above), evidence.moving(), step_of(*above.shape)
    titles = title_bars(bars)
    for levels in _LEVELS:
        lit = np.where(titles, np.uint8(0), lit_at(above, levels))
        everything, still = tissue(lit), tissue(np.where(bars, np.uint8(0), lit))
        in_motion = [] if moving is None else [tissue(np.where(moving, lit, np.uint8(0)))]
        for seen in ([everything, still] if bars.any() else [everything]) + in_motion:
            if seen.any() and _is_plausible(hull := hull_of(seen), seen, still, bars):
                yield _look(hull * step, above, levels)


def _is_plausible(hull: Points, seen: Flags, still: Flags, bars: Mask) -> bool:
    """Return whether a region may be the ultrasound: large, no panel, and with nearly all of the supposed tissue."""
    if _is_small(hull, (seen.shape[0], seen.shape[1])) or bars[seen > 0].mean() > _BARS:
        return False
    outside = cv2.fillConvexPoly(still.copy(), hull.astype(np.int32), 0)
    return bool(outside.sum() <= _LEFT_OUT * still.sum())


def _is_small(outline: Points, size: Size) -> bool:
    height, width = size
    return bool((np.ptp(outline, axis=0) < _LEAST_SIDE * np.array((width, height))).any())


def _look(hull: Points, above: Grey, levels: int) -> Look:
    edges = list(edges_of(hull, above, levels))
    sharp = [edge for edge in edges if edge.support >= _SHARP]
    share = sum(edge.length * edge.support for edge in sharp) / max(1.0, sum(edge.length for edge in edges))
    return Look(hull, sharp, share)


def _shaped(look: Look, evidence: Evidence) -> Sector:
    """Return the frame cut along each sharp edge; where the tissue fades out, nothing is cut."""
    size, step = evidence.size, evidence.step
    outline = frame_outline(size)
    for edge in look.edges:
        outline = clipped(outline, edge.point * step - edge.inward * (step - 1), edge.inward)
    if len(outline) < 3 or _is_small(outline, size):
        return whole(size)
    return Sector(_kind(look.edges, outline), size, as_outline(outline), round(look.sharpness, 3))


def _kind(edges: Sequence[Edge], outline: Points) -> Kind:
    longest = sorted(edges, key=lambda edge: edge.length)[-2:]
    if all(np.abs(edge.inward).min() <= _UPRIGHT for edge in longest):
        return Kind.LINEAR
    return Kind.PHASED if narrowing(outline) < _POINTED else Kind.CURVILINEAR


def _is_clean(above: Grey, hull: Points | None) -> bool:
    """Return whether only specks are lit outside the hull of the tissue, and no panel is on the frame."""
    if panels(above).mean() > _PANELS:
        return False
    step = step_of(*above.shape)
    lit = lit_at(above, _FOREIGN_LEVELS)
    if hull is not None:
        corners = np.round(hull / step).astype(np.int32)
        cv2.fillConvexPoly(lit, corners, 0)
        cv2.polylines(lit, [corners], isClosed=True, color=0, thickness=2 * _APART)
    return bool(lit.mean() < _FOREIGN_SHARE)
