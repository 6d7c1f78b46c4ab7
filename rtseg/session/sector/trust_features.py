"""Measure what tells whether an outline is the sector: do its sides end sharply, do other readings of the screen agree?"""

from collections.abc import Sequence

import cv2
import numpy as np

from rtseg.frame import Mask
from rtseg.session.sector.edges import find_edges
from rtseg.session.sector.evidence import BinaryImage, GrayImage, sampling_step
from rtseg.session.sector.polygon_outline import rim_shares
from rtseg.session.sector.refinement import RefinedCandidate
from rtseg.session.sector.screen_search import ScreenCandidate, sharp_share
from rtseg.session.sector.shape import Points, outline_overlap

Scored = tuple[float, ScreenCandidate]

_SIMPLER = 3.0  # pixels within which an outline may be simplified, so that an arc has pieces long enough to measure
_MAX_SCORE = 8.0
_TEMPERATURE = 2.0  # of the scores that weigh the candidates
_CELL, _CELL_SHARE, _EMPTY_CELLS = 4, 0.25, 5  # pixels of a cell's side; its lit share; cells to the next lit one in the void
_LEVELS = 4  # gray levels above the ground from which a pixel is lit


def trust_features(refined: RefinedCandidate, score: float, scored: Sequence[Scored]) -> dict[str, float]:
    """Return what was measured of a refined candidate, most of it 0 to 1. scored: every candidate with its score."""
    one, above = refined.candidate, refined.above
    lit = (above >= _LEVELS).astype(np.uint8)
    _, outside = rim_shares(one.outline, lit)
    return {
        "score": float(np.clip(score, 0, _MAX_SCORE)),
        "sharp": one.features["sharp"],
        "hull": outline_overlap(one.outline, one.hull * sampling_step(*above.shape), above.shape),
        "outline": _outline_sharpness(one.outline, above, one.region.levels),
        "consensus": _consensus(one.outline, scored, above),
        "spill": outside,
        **_filling(one, lit),
    }


def _outline_sharpness(outline: Points, above: GrayImage, levels: int) -> float:
    """Return the sharp share of an outline inside the frame; 1 where the frame cuts it off all around."""
    simple = cv2.approxPolyDP(outline.astype(np.float32), _SIMPLER, closed=True)[:, 0].astype(np.float64)
    return sharp_share(list(find_edges(simple, above, levels)), 0.0) if len(simple) >= 3 else 0.0


def _consensus(outline: Points, scored: Sequence[Scored], above: GrayImage) -> float:
    """Return the mean overlap with all candidates, weighted by their scores."""
    overlaps = np.array([outline_overlap(outline, other.outline, above.shape) for _, other in scored])
    scores = np.array([value for value, _ in scored])
    weights = np.exp((scores - scores.max()) / _TEMPERATURE)
    return float(weights @ overlaps / weights.sum())


def _filling(one: ScreenCandidate, lit: BinaryImage) -> dict[str, float]:
    """Return the share of the outline that is far from anything lit, and the share of the lit cells that hang together."""
    inside = np.zeros(lit.shape, np.uint8)
    cv2.fillConvexPoly(inside, np.round(one.outline).astype(np.int32), 1)
    if one.face:
        cv2.circle(inside, (round(one.face[0]), round(one.face[1])), int(one.face[2]), 0, -1)
    size = max(1, lit.shape[1] // _CELL), max(1, lit.shape[0] // _CELL)
    within = cv2.resize(inside, size, interpolation=cv2.INTER_NEAREST) > 0
    shares = cv2.resize((lit & inside).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    cells: Mask = shares >= _CELL_SHARE
    if not (cells & within).any():
        return {"void": 1.0, "joined": 0.0}
    distance = cv2.distanceTransform((~cells).astype(np.uint8), cv2.DIST_L2, 3)
    grown = cv2.dilate((cells & within).astype(np.uint8), np.ones((5, 5), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(grown)
    areas = stats[1:, cv2.CC_STAT_AREA]
    return {
        "void": float((distance[within] > _EMPTY_CELLS).mean()),
        "joined": float(areas.max() / areas.sum()),
    }
