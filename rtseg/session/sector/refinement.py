"""Draw a candidate's outline anew where the picture really ends: without the halo that a codec leaves around it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np

from rtseg.session.sector.candidate_outline import candidate_outline, candidate_support
from rtseg.session.sector.edges import convex_hull, find_edges
from rtseg.session.sector.evidence import BinaryImage, Evidence, GrayImage, lit_mask, sampling_step
from rtseg.session.sector.halo import without_halo
from rtseg.session.sector.polygon_outline import rim_shares
from rtseg.session.sector.screen_search import ScreenCandidate
from rtseg.session.sector.shape import outline_overlap

_SHARES = (0.15, 0.25)  # of the brightness nearby, below which a pixel is halo
_JUDGED_SHARE = 0.2  # the same, where outlines are compared
_OUTSIDE_WEIGHT = 2.0  # of what is lit outside an outline, against what is lit inside


@dataclass(frozen=True, slots=True)
class RefinedCandidate:
    """Holds the best of a candidate's outlines, and how well they agree."""

    candidate: ScreenCandidate
    """With the outline and the edges chosen."""
    above: GrayImage
    """(H, W) of the evidence: gray levels above the ground, without halo."""
    steadiness: float
    """Smallest intersection over union of the chosen outline with the others."""


def refine(candidate: ScreenCandidate, evidence: Evidence) -> RefinedCandidate:
    """Return the candidate with the outline that divides lit pixels from dark ones best."""
    drawn = [candidate, *_redrawn(candidate, evidence)]
    above = without_halo(candidate.region.above, _JUDGED_SHARE)
    support = candidate_support(replace(candidate.region, above=above), candidate.hull, evidence)
    best = max(drawn, key=lambda one: _contrast(one, support))
    others = [outline_overlap(best.outline, one.outline, above.shape) for one in drawn]
    return RefinedCandidate(best, above, min(others))


def _redrawn(candidate: ScreenCandidate, evidence: Evidence) -> Iterator[ScreenCandidate]:
    """Yield the candidate with outlines that are drawn without halo. Its hull stays that of all that is lit."""
    for share in _SHARES:
        region = replace(candidate.region, above=without_halo(candidate.region.above, share))
        lit = np.asarray(cv2.bitwise_and(region.lit, lit_mask(region.above, region.levels)), np.uint8)
        if not lit.any():
            continue
        region, hull = replace(region, lit=lit), convex_hull(lit)
        edges = tuple(find_edges(hull * sampling_step(*region.above.shape), region.above, region.levels))
        outline, face = candidate_outline(region, hull, edges, candidate_support(region, hull, evidence))
        if len(outline) >= 3:
            features = {**candidate.features, "fan": float(face is not None)}
            yield replace(candidate, edges=edges, features=features, outline=outline, face=face)


def _contrast(candidate: ScreenCandidate, support: BinaryImage) -> float:
    inside, outside = rim_shares(candidate.outline, support)
    return inside - _OUTSIDE_WEIGHT * outside
