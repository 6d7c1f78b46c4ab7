"""Draw the polygon of a sector that is no fan: along its sharp edges, and on open sides where nothing is lit any more."""

from collections.abc import Sequence

import cv2
import numpy as np

from rtseg.session.sector.completion import GAP, MIN_SHARE, last_lit, mean_near
from rtseg.session.sector.edges import Edge
from rtseg.session.sector.evidence import BinaryImage
from rtseg.session.sector.shape import Points, Size, clip_polygon, frame_outline

_UPRIGHT = 0.98  # least component of the normal of an edge at which the scanner's window cuts a fan
_WINDOW_SUPPORT = 0.75  # sharp share of such an edge
_SHARP, _WEAK = 0.5, 0.2  # sharp share of an edge, and of one that bounds the sector if nothing is lit beyond it
_FACING = 0.35  # least component of a side's normal, along the direction in which it bounds the sector


def rim_shares(outline: Points, support: BinaryImage) -> tuple[float, float]:
    """Return the lit shares just inside and just outside an outline (N, 2), where it lies inside the frame (H, W)."""
    starts, ends = outline, np.roll(outline, -1, 0)
    middle, height, width = outline.mean(0), *support.shape
    inside, outside, total = 0.0, 0.0, 0.0
    for start, end in zip(starts, ends, strict=True):
        length = float(np.hypot(*(end - start)))
        if length < 1:
            continue
        along = (end - start) / length
        inward = np.array([-along[1], along[0]])
        inward = inward if (middle - start) @ inward > 0 else -inward
        points = start + np.linspace(0.02, 0.98, max(2, int(length / 3)))[:, None] * (end - start)
        points = points[(points > 4).all(1) & (points < (width - 5, height - 5)).all(1)]
        if len(points):
            inside += len(points) * mean_near(support, points[:, 0], points[:, 1], inward, (2.0, 4.0, 7.0))
            outside += len(points) * mean_near(support, points[:, 0], points[:, 1], inward, (-3.0, -5.0))
            total += len(points)
    return (inside / total, outside / total) if total else (1.0, 0.0)


def windowed(outline: Points, edges: Sequence[Edge]) -> Points:
    """Return an outline cut where the scanner's window cuts it: at sharp edges that are upright or level."""
    for edge in edges:
        is_level = edge.inward[1] < -_UPRIGHT and edge.support < 1  # the last arc's middle is level, too
        if len(outline) and np.abs(edge.inward).max() > _UPRIGHT and edge.support >= _WINDOW_SUPPORT and not is_level:
            outline = clip_polygon(outline, edge.point, edge.inward) if abs(edge.inward[0]) > _UPRIGHT else outline
    return outline


def bounded_outline(edges: Sequence[Edge], hull: Points, support: BinaryImage, size: Size) -> Points:
    """Return the frame cut along each sharp edge, and on open sides where nothing is lit any more, (N, 2)."""
    outline = frame_outline(size)
    sharp = [edge for edge in edges if edge.support >= _SHARP]
    for edge in sharp:
        outline = clip_polygon(outline, edge.point, edge.inward)
    for edge in edges:
        if _WEAK <= edge.support < _SHARP and _is_empty_beyond(outline, edge, support):
            outline = clip_polygon(outline, edge.point - 2 * edge.inward, edge.inward)
    for inward in ((1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)):
        normal = np.array(inward)
        if len(outline) >= 3 and not any(edge.inward @ normal > _FACING for edge in sharp):
            outline = clip_polygon(outline, _open_end(outline, hull, support, normal), normal)
    return outline


def _is_empty_beyond(outline: Points, edge: Edge, support: BinaryImage) -> bool:
    """Return whether hardly a pixel is lit in the part of an outline beyond an edge."""
    beyond = clip_polygon(outline, edge.point - 3 * edge.inward, -edge.inward)
    if len(beyond) < 3:
        return False
    mask = np.zeros(support.shape, np.uint8)
    cv2.fillConvexPoly(mask, np.round(beyond).astype(np.int32), 1)
    return bool(np.count_nonzero(support & mask) <= MIN_SHARE * np.count_nonzero(mask))


def _open_end(outline: Points, hull: Points, support: BinaryImage, inward: Points) -> Points:
    """Return a point on the line where an open side ends: beyond the hull, as far as rows or columns are lit."""
    inside = np.zeros(support.shape, np.uint8)
    cv2.fillConvexPoly(inside, np.round(outline).astype(np.int32), 1)
    axis = 0 if inward[0] else 1
    lit, room = (cv2.reduce(mask, axis, cv2.REDUCE_SUM, dtype=cv2.CV_32F).ravel() for mask in (support & inside, inside))
    shares = np.asarray(lit, np.float64) / np.maximum(np.asarray(room, np.float64), 1)
    first = float((hull @ inward).min())
    start = round(abs(first))
    gap = max(2, round(GAP * len(shares)))
    if inward.sum() > 0:
        end = len(shares) - 1 - last_lit(shares[::-1], len(shares) - 1 - start, gap)
        return np.asarray(inward * max(0.0, end - 1.0))
    end = last_lit(shares, min(start, len(shares) - 1), gap)
    return np.asarray(-inward * (end + 1.0))
