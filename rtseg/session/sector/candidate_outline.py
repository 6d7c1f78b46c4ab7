"""Draw the outline of a region's sector, from the region's sharp edges and from what is lit around it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

import cv2
import numpy as np

from rtseg.session.sector.completion import aligned, covered_share, dark_face, fit_fan, widened, with_far_arc
from rtseg.session.sector.edges import Edge
from rtseg.session.sector.evidence import BinaryImage, Evidence, sampling_step
from rtseg.session.sector.polygon_outline import bounded_outline, rim_shares, windowed
from rtseg.session.sector.regions import Region
from rtseg.session.sector.shape import Points, clip_polygon

Face: TypeAlias = tuple[float, float, float]  # x, y, radius

MIN_SUPPORT = 0.5  # sharp share of an edge
_MARGIN = 3  # pixels of the thumbnail around a hull that may be its own fringe
_FOREIGN_LEVELS = 24  # gray levels above the ground of letters; faint tissue has less
_SUPPORT_LEVELS = 2  # gray levels above the ground of what is more than the ground
_LIVE = 0.3  # share of a region that moves in a live picture
_COVERED = 0.93  # share of a region that its fan holds
_APART = 0.5  # pixels between two corners of an outline
_FAN_MARGIN = 1.5  # pixels by which a fan is moved out
_FAN_CONTRAST = 0.03  # least difference of the lit shares inside and outside of a fan


def candidate_outline(
    region: Region, corners: Points, every: Sequence[Edge], support: BinaryImage
) -> tuple[Points, Face | None]:
    """Return the outline of a region's sector in pixels of the evidence, (N, 2), and the face of a fan.

    corners (N, 2): of its hull in the thumbnail. every: the sides of the hull. support (H, W): from `candidate_support`.
    """
    size = (support.shape[0], support.shape[1])
    hull, edges = corners * sampling_step(*size), [edge for edge in every if edge.support >= MIN_SUPPORT]
    own = np.asarray(cv2.resize(region.lit, size[::-1], interpolation=cv2.INTER_NEAREST), np.uint8)
    best: tuple[Points, Face] | None = None
    value = _FAN_CONTRAST
    for is_flipped in (False, True):
        found = _fan_outline(edges, hull, support, own, is_flipped)
        outline = clipped(windowed(found[0], edges), size) if found else np.zeros((0, 2))
        if found and len(outline) >= 3:
            inside, outside = rim_shares(outline, support)
            if inside - 2 * outside > value:
                best, value = (outline, found[1]), inside - 2 * outside
    if best is not None:
        return best
    return _without_twins(bounded_outline(every, hull, support, size)), None


def _fan_outline(
    edges: Sequence[Edge], hull: Points, support: BinaryImage, own: BinaryImage, is_flipped: bool
) -> tuple[Points, Face] | None:
    """Return outline and face of the fan that holds a region `own` (H, W), or None. is_flipped: the probe is at the bottom."""
    last = support.shape[0] - 1
    if is_flipped:
        edges = [replace(edge, point=mirrored(edge.point, last), inward=edge.inward * (1, -1)) for edge in edges]
        hull, support, own = mirrored(hull, last), np.ascontiguousarray(support[::-1]), np.ascontiguousarray(own[::-1])
    fan = fit_fan(edges, hull)
    if fan is None:
        return None
    fan = with_far_arc(aligned(fan, support), support)
    if covered_share(fan, own) < _COVERED:
        return None
    outline, center = widened(fan, _FAN_MARGIN).outline(), np.array(fan.apex)
    if is_flipped:
        outline, center = mirrored(outline, last), mirrored(center, last)
    return outline, (float(center[0]), float(center[1]), dark_face(fan, support))


def mirrored(points: Points, last: int) -> Points:
    """Return points (..., 2) of a picture that is turned upside down, whose last row is `last`."""
    return np.asarray(points * (1, -1) + (0, last), np.float64)


def candidate_support(region: Region, corners: Points, evidence: Evidence) -> BinaryImage:
    """Return the pixels that show more than the ground: those that move where the region does, else all but letters."""
    above = region.above
    lit = (above >= _SUPPORT_LEVELS).astype(np.uint8)
    if region.motion >= _LIVE:
        return np.asarray(lit & evidence.moved(), np.uint8)
    step = sampling_step(*above.shape)
    own = cv2.fillConvexPoly(np.zeros(above.shape, np.uint8), np.round(corners * step).astype(np.int32), 1)
    own = cv2.dilate(own, np.ones((2 * _MARGIN * step + 1,) * 2, np.uint8))
    letters = cv2.dilate((above >= _FOREIGN_LEVELS).astype(np.uint8), np.ones((7, 7), np.uint8))
    return np.asarray(lit & ((letters == 0) | (own > 0)), np.uint8)


def clipped(outline: Points, size: Sequence[int]) -> Points:
    """Return the part of a convex outline that lies in a frame of `size`."""
    height, width = size
    for point, inward in (
        ((0, 0), (1, 0)),
        ((0, 0), (0, 1)),
        ((width - 1, height - 1), (-1, 0)),
        ((width - 1, height - 1), (0, -1)),
    ):
        if len(outline):
            outline = clip_polygon(outline, np.array(point, float), np.array(inward, float))
    return _without_twins(outline)


def _without_twins(outline: Points) -> Points:
    """Return a convex outline whose corners are apart."""
    if len(outline) < 3:
        return outline
    hull = cv2.convexHull(outline.astype(np.float32))[:, 0].astype(np.float64)
    apart = np.hypot(*(hull - np.roll(hull, 1, 0)).T) > _APART
    return np.asarray(hull[apart], np.float64)
