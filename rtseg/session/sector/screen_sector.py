"""Find the sector from evidence: by its edges alone where nothing else is on the screen, else among the screen's regions."""

from collections.abc import Sequence

import cv2
import numpy as np

from rtseg.session.sector.edges_to_sector import classify_shape, find_sector, is_clean, is_small
from rtseg.session.sector.evidence import Evidence, above_background, background_level, screen_thumbnail
from rtseg.session.sector.refinement import refine
from rtseg.session.sector.region_score import region_score
from rtseg.session.sector.screen_search import ScreenCandidate, screen_candidates
from rtseg.session.sector.shape import Points, Sector, SectorKind, as_outline, top_width_ratio, whole_sector
from rtseg.session.sector.trust import MIN_TRUST, trust_in
from rtseg.session.sector.trust_features import trust_features

_MIN_SCORE = 0.5  # of a region that is taken for the sector
_SHARP, _MIN_SHARPNESS = (
    0.85,
    0.6,
)  # share of the outline that is sharp where edges alone are enough; and are, if all else fails
_MAX_LOST = 0.01  # share of what moves that may lie outside a sector found by its edges alone
_MAX_SHARE = 0.97  # share of the frame from which a region is the frame: a webcam's picture, perhaps
_MIN_SIDE = 40  # pixels of the smallest sector
_TWIN_SCORE, _TWIN_RATIO, _TWIN_OVERLAP = 2.5, 0.5, 0.1  # two pictures: difference of scores, ratio of areas, shared width
_LIVE, _ALIKE_LOG = 0.3, 0.15  # share that moves in a live picture; difference of the areas' logarithms that is ignored
_POINTED_WIDTH = 0.1  # width at the top of a phased-array sector, relative to its greatest width


def locate_sector(evidence: Evidence) -> Sector:
    """Return the sector that the evidence shows; WHOLE of confidence 0 where it shows none that can be trusted.

    Where nothing else is on the screen, edges alone are enough if they are sharp; else the screen's regions are tried first.
    """
    by_edges = find_sector(evidence)
    stands_alone = _stands_alone(by_edges, evidence)
    if stands_alone and (by_edges.kind is SectorKind.WHOLE or by_edges.confidence >= _SHARP):
        return by_edges
    found = _trusted_sector(evidence)
    if found is not None:
        return found
    return by_edges if stands_alone and by_edges.confidence >= _MIN_SHARPNESS else whole_sector(evidence.size)


def _trusted_sector(evidence: Evidence) -> Sector | None:
    """Return the sector of the best region; None where no region is likely, two are, or its outline is not trusted."""
    scored = [(region_score(one.features), one) for one in screen_candidates(evidence) if len(one.outline) >= 3]
    likely = [(score, one) for score, one in scored if score > _MIN_SCORE]
    if not likely:
        return None
    score, best = _preferred(likely)
    if any(_is_rival(other, best) for other_score, other in likely if other_score >= score - _TWIN_SCORE):
        return None
    refined = refine(best, evidence)
    trust = trust_in(trust_features(refined, score, scored))
    return _sector_of(refined.candidate, trust, evidence) if trust >= MIN_TRUST else None


def _preferred(likely: Sequence[tuple[float, ScreenCandidate]]) -> tuple[float, ScreenCandidate]:
    """Return the best candidate; of two pictures side by side the live one, else the larger one, else the left one."""
    score, best = max(likely, key=lambda pair: pair[0])
    for other_score, other in sorted(likely, key=lambda pair: -pair[0]):
        if other_score < score - _TWIN_SCORE or not _is_apart(best, other):
            continue
        if _rank(other) > _rank(best):
            return other_score, other
        break
    return score, best


def _is_apart(one: ScreenCandidate, other: ScreenCandidate) -> bool:
    """Return whether two candidates lie side by side, of about the same size."""
    gap = max(other.outline[:, 0].min() - one.outline[:, 0].max(), one.outline[:, 0].min() - other.outline[:, 0].max())
    ratio = one.features["area"] / other.features["area"]
    return bool(gap > -_TWIN_OVERLAP * np.ptp(one.outline[:, 0]) and _TWIN_RATIO < ratio < 1 / _TWIN_RATIO)


def _is_rival(other: ScreenCandidate, best: ScreenCandidate) -> bool:
    """Return whether a picture beside the best one is as live, so that either may be meant."""
    return _is_apart(best, other) and (other.features["motion"] >= _LIVE) == (best.features["motion"] >= _LIVE)


def _rank(candidate: ScreenCandidate) -> tuple[bool, int, float]:
    """Return the order of preference: live, large, left; areas within a tenth are alike."""
    is_live, area = candidate.features["motion"] >= _LIVE, candidate.features["area"]
    return is_live, round(float(np.log(area)) / _ALIKE_LOG), -float(candidate.outline[:, 0].min())


def _stands_alone(found: Sector, evidence: Evidence) -> bool:
    """Return whether a sector found by its edges is all that the screen shows."""
    if found.kind is SectorKind.WHOLE:
        return found.confidence > 0
    above = above_background(evidence.brightest, background_level(screen_thumbnail(evidence.brightest)))
    outline = np.array(found.outline) / evidence.step
    if not is_clean(above, outline):
        return False
    inside = np.zeros(above.shape, np.uint8)
    cv2.fillConvexPoly(inside, np.round(outline).astype(np.int32), 1)
    lit = above >= 6
    return bool(np.count_nonzero(lit & (inside == 0)) <= _MAX_LOST * max(1, int(np.count_nonzero(lit))))


def _sector_of(candidate: ScreenCandidate, trust: float, evidence: Evidence) -> Sector:
    """Return a candidate's sector in pixels of the frame."""
    outline = _in_frame(candidate.outline, evidence)
    share = cv2.contourArea(outline.astype(np.float32)) / (evidence.size[0] * evidence.size[1])
    if share > _MAX_SHARE or (is_small(outline, evidence.size) and min(np.ptp(outline, axis=0)) < _MIN_SIDE):
        return whole_sector(evidence.size)
    confidence = round(trust, 3)
    if candidate.features["fan"]:
        kind = SectorKind.PHASED if top_width_ratio(outline) < _POINTED_WIDTH else SectorKind.CURVILINEAR
    else:
        kind = classify_shape(candidate.sharp_edges, outline) if len(candidate.sharp_edges) > 1 else SectorKind.LINEAR
    x, y, radius = (value * evidence.step for value in candidate.face or (0.0, 0.0, 0.0))
    face = (x, y, radius) if radius >= 1 else None
    return Sector(kind, evidence.size, as_outline(outline), confidence, face)


def _in_frame(outline: Points, evidence: Evidence) -> Points:
    """Return an outline in pixels of the frame, moved out by what subsampling may have lost."""
    points = outline * evidence.step
    height, width = evidence.size
    return np.clip(points, 0, (width - 1, height - 1))
