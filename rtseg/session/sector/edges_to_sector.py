"""One look at the evidence: which edges of the tissue are the sector's, and what shape they make."""

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

# The longer edges of tissue that only fades out, in the stills of `carotid`, are sharp along less than 0.1 of their length as a
# rule; edges of a sector, in `fetal_head` and `nerve_vessel`, along 0.6 to 1.
_SHARP = 0.5
_CONVINCING = 0.45  # of the outline inside the frame is sharp
_LEVELS = (1, 3, 6)  # above the ground: clean stills, coded ones, noisy ones; more would lose faint tissue
_SURE = 0.95  # of the outline is sharp: nothing can be better by much
_BETTER = 0.05  # of the outline: a higher level must be better by this
_LEAST_SIDE = 0.2  # of the frame's height and width
_BARS = 0.5  # of a region, flat, make it a menu
_LEFT_OUT = 0.35  # of what seems tissue may lie outside, and be letters: a vessel's wall in motion has sharp edges too
_UPRIGHT = 0.05  # of a unit normal's smaller component: 3 degrees
_POINTED = 0.1  # of the greatest width, where the sector begins
_FOREIGN_LEVELS, _FOREIGN_SHARE = 40, 0.0005  # so bright, so much of the frame, apart from all tissue: letters
_PANELS = 0.02  # of the frame
_APART = 9  # pixels of the thumbnail


@dataclass(frozen=True, slots=True)
class Look:
    """The hull of the tissue at one threshold, (N, 2) in pixels of the evidence, its sharp edges, and their share of all."""

    hull: Points
    edges: Sequence[Edge]
    sharpness: float


def find(evidence: Evidence) -> Sector:
    """The sector that the evidence shows, or the whole frame."""
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
    """The tissue at each threshold above the ground: of all that is lit, of what is no bar of the screen, and of what moves."""
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
    """Whether a region may be the ultrasound: large, no bar or menu, and nearly all of what seems tissue."""
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
    """The frame, cut along each sharp edge: where the tissue fades out, nothing is cut."""
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
    """Whether nothing but specks is lit outside the hull of the tissue, and no bar of the screen inside."""
    if panels(above).mean() > _PANELS:
        return False
    step = step_of(*above.shape)
    lit = lit_at(above, _FOREIGN_LEVELS)
    if hull is not None:
        corners = np.round(hull / step).astype(np.int32)
        cv2.fillConvexPoly(lit, corners, 0)
        cv2.polylines(lit, [corners], isClosed=True, color=0, thickness=2 * _APART)
    return bool(lit.mean() < _FOREIGN_SHARE)
