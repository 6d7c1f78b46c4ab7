"""Choose among regions of a screen the one that is ultrasound, and draw the outline of its sector."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from rtseg.frame import Mask
from rtseg.session.sector.candidate_outline import MIN_SUPPORT, Face, candidate_outline, candidate_support
from rtseg.session.sector.edges import Edge, convex_hull, find_edges
from rtseg.session.sector.evidence import Evidence, GrayImage, sampling_step, screen_thumbnail
from rtseg.session.sector.polygon_outline import rim_shares
from rtseg.session.sector.regions import Region, propose_regions
from rtseg.session.sector.shape import Points, outline_overlap

_UPPER = 0.05  # least downward component of the normal of a side that bounds the sector from above
_MEASURED = 18  # regions whose edges are measured
_SAME, _ALIKE, _TURNS = 0.98, 0.85, 4  # overlap of two hulls of which one is measured, and of so many at the most
_TEXTURE_LEVELS, _STROKE_LEVELS = 4, 90  # range of levels in 3x3 pixels: of speckle, and of a letter's stroke


@dataclass(frozen=True, slots=True)
class ScreenCandidate:
    """Holds a region that may be the sector, and what was measured of it."""

    region: Region
    """The region."""
    hull: Points
    """(N, 2) in pixels of the thumbnail."""
    edges: tuple[Edge, ...]
    """Its sides inside the frame, in pixels of the evidence."""
    features: dict[str, float]
    """What was measured, each 0 to 1."""
    outline: Points = field(default_factory=lambda: np.zeros((0, 2)))
    """(N, 2): of its sector, in pixels of the evidence."""
    face: Face | None = None
    """Center and radius of the probe's face in pixels of the evidence, where it is curved and nothing is lit before it."""

    @property
    def sharpness(self) -> float:
        """Return the share of the hull inside the frame that is sharp."""
        return self.features["sharp"]

    @property
    def sharp_edges(self) -> list[Edge]:
        """Return the sides that are sharp."""
        return [edge for edge in self.edges if edge.support >= MIN_SUPPORT]


def screen_candidates(evidence: Evidence) -> Iterator[ScreenCandidate]:
    """Yield the most promising regions, with their edges measured."""
    thumb, moving = screen_thumbnail(evidence.brightest), evidence.motion_mask()
    square = np.ones((3, 3), np.uint8)
    detail = np.asarray(cv2.subtract(cv2.dilate(thumb, square), cv2.erode(thumb, square)), np.uint8)
    drafts = [_draft(region, detail, moving) for region in propose_regions(evidence)]
    drafts.sort(key=lambda draft: -_first_look(draft[2]))
    measured: list[tuple[Region, Mask]] = []
    step = sampling_step(*evidence.brightest.shape)
    for region, hull, features, filled in drafts:
        if _is_enough(region, filled, measured):
            continue
        measured.append((region, filled))
        edges = tuple(find_edges(hull * step, region.above, region.levels))
        yield _measured(ScreenCandidate(region, hull, edges, features), evidence)
        if len(measured) == _MEASURED:
            return


def _is_enough(region: Region, filled: Mask, measured: list[tuple[Region, Mask]]) -> bool:
    """Return whether a region was measured already, or others of its place often enough."""
    alike = [(other, _shared(filled, there)) for other, there in measured]
    same = [other for other, overlap in alike if overlap > _SAME and other.levels == region.levels]
    return any(other.above is region.above for other in same) or sum(overlap > _ALIKE for _, overlap in alike) >= _TURNS


def _draft(region: Region, detail: GrayImage, moving: Mask | None) -> tuple[Region, Points, dict[str, float], Mask]:
    """Return a region with its hull, its features and the hull's pixels."""
    hull = convex_hull(region.lit)
    filled = cv2.fillConvexPoly(np.zeros_like(region.lit), hull.astype(np.int32), 1) > 0
    lit, high = region.lit > 0, max(1, int(np.count_nonzero(filled)))
    features = {
        "fill": float(np.count_nonzero(lit & filled) / high),
        "area": float(filled.mean()),
        "texture": float(np.mean(detail[lit & filled] > _TEXTURE_LEVELS)) if (lit & filled).any() else 0.0,
        "strokes": float(np.count_nonzero((detail > _STROKE_LEVELS) & filled) / high),
        "motion": 0.5 if moving is None else float(moving[filled].mean()),
        "gathered": 0.5 if moving is None else float(np.count_nonzero(moving & filled) / max(1, int(np.count_nonzero(moving)))),
        "side": float(np.ptp(hull, axis=0).min() / max(1.0, np.ptp(hull, axis=0).max())),
        "black": float(region.has_black),
    }
    return region, hull, features, filled


def _first_look(features: dict[str, float]) -> float:
    """Return how promising a region is before its edges are measured."""
    return float(
        features["fill"]
        * (0.3 + features["motion"])
        * features["texture"]
        * features["area"] ** 0.5
        * (0.5 + 0.5 * features["side"])
    )


def _measured(draft: ScreenCandidate, evidence: Evidence) -> ScreenCandidate:
    """Return a candidate with its outline, and the features that follow from its edges."""
    size = evidence.brightest.shape
    upper = [edge for edge in draft.edges if edge.inward[1] > _UPPER]
    support = candidate_support(draft.region, draft.hull, evidence)
    outline, face = candidate_outline(draft.region, draft.hull, draft.edges, support)
    inside, outside = rim_shares(outline, support) if len(outline) >= 3 else (0.0, 1.0)
    found = {
        "rim": inside,
        "spill": outside,
        "sharp": sharp_share(draft.edges),
        "upper": sharp_share(upper),
        "fan": float(face is not None),
        "fit": outline_overlap(outline, draft.hull * sampling_step(*size), size),
    }
    return replace(draft, features={**draft.features, **found}, outline=outline, face=face)


def sharp_share(edges: Sequence[Edge], least: float = MIN_SUPPORT) -> float:
    """Return the share of the edges' length that is sharp, of edges with this support at least; 1 where there is no edge."""
    total = sum(edge.length for edge in edges)
    return sum(edge.length * edge.support for edge in edges if edge.support >= least) / total if total else 1.0


def _shared(one: Mask, other: Mask) -> float:
    """Return the intersection over union of two masks."""
    return float(np.count_nonzero(one & other)) / max(1, int(np.count_nonzero(one | other)))
