"""Measure each side of the tissue's convex hull: whether the image ends there in a straight, sharp edge."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.frame import Mask
from rtseg.session.sector.evidence import BinaryImage, GrayImage
from rtseg.session.sector.shape import Points

ProfileIndices = npt.NDArray[np.intp]  # (N,): one index into each profile

_REACH = 10  # pixels outside a side of the hull that must be dark, and inside its border that must be tissue
_DEPTH = 5  # pixels inside a side of the hull at which the border may lie
_PROBE_FACE_DEPTH, _PROBE_FACE_UPWARD = 0.4, 0.9  # search depth below a top side this upright: a convex face curves in
_SOLID = 0.6  # share of the pixels from the edge inwards that are lit
_PROFILE_SPACING = 3  # pixels along the edge between profiles
_PROFILE_STEP, _MAX_BEND = (
    3,
    3,
)  # profiles, pixels: largest bend of three borders at this spacing, which exceeds JPEG's blocks of 8 pixels
_OUTER_QUANTILE = 0.05  # share of the borders that lie outside the edge
_MIN_LENGTH = 0.04  # length of a side, relative to the frame's smaller side
_MARGIN = 1.0  # pixels by which an edge is moved out: cutting tissue is worse than keeping a line of background


@dataclass(frozen=True, slots=True)
class Edge:
    """Holds a side of the tissue's hull that lies inside the frame."""

    point: Points
    """A point (x, y) on the edge."""
    inward: Points
    """Unit normal (x, y) towards the tissue."""
    length: float
    """Length in pixels."""
    support: float
    """Share of the length at which the image ends sharply, 0 to 1."""


def convex_hull(evidence: BinaryImage) -> Points:
    """Return the convex hull of the lit pixels of a thumbnail, (N, 2), simplified to few corners."""
    rows = np.flatnonzero(evidence.any(axis=1))
    left = evidence[rows].argmax(axis=1)
    right = evidence.shape[1] - 1 - evidence[rows, ::-1].argmax(axis=1)
    # The hull touches only the first and last pixel of a row; passing all pixels to OpenCV takes ten times as long.
    ends = np.concatenate([np.stack([left, rows], axis=1), np.stack([right, rows], axis=1)])
    return cv2.approxPolyDP(cv2.convexHull(ends.astype(np.int32)), 1.0, closed=True)[:, 0].astype(np.float64)


def find_edges(hull: Points, above: GrayImage, levels: int) -> Iterator[Edge]:
    """Yield the sides of a hull (N, 2) that do not lie on the border of the image (H, W), each measured in it."""
    middle = hull.mean(axis=0)
    for start, end in zip(hull, np.roll(hull, -1, axis=0), strict=True):
        length = float(np.hypot(*(end - start)))
        if length < _MIN_LENGTH * min(above.shape):
            continue
        along = (end - start) / length
        normal = np.array([-along[1], along[0]])
        inward = normal if (middle - start) @ normal > 0 else -normal
        depth = max(_DEPTH, round(_PROBE_FACE_DEPTH * length)) if inward[1] > _PROBE_FACE_UPWARD else _DEPTH
        line = start + np.arange(0.5, length, _PROFILE_SPACING)[:, None] * along
        if _share_in_frame(line - _REACH * inward, above.shape) > 0.5:
            support, shift = _measure_support(_profiles(line, inward, depth, above) >= levels)
            yield Edge(start + inward * (shift - _MARGIN), inward, length, support)


def _share_in_frame(points: Points, shape: tuple[int, ...]) -> float:
    """Return the share of points that lie in a frame of `shape`."""
    return float(np.mean((points >= 0).all(axis=1) & (points < shape[1::-1]).all(axis=1)))


def _profiles(line: Points, inward: Points, depth: int, above: GrayImage) -> GrayImage:
    """Sample the pixels across a line, from outside inwards, 0 outside the frame: (N, positions)."""
    across = np.arange(-_REACH, depth + _REACH + 1)[None, :, None]
    x, y = np.ascontiguousarray(np.moveaxis(line[:, None] + inward * across, -1, 0), np.float32)
    return np.asarray(cv2.remap(above, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT), np.uint8)


def _measure_support(lit: Mask) -> tuple[float, float]:
    """Return the support of a line, and the distance inwards from it, in pixels, at which the image ends.

    The border of a profile is its outermost lit pixel; where letters or a bar stand just outside, the last one before the gap.
    """
    return max(_support(lit, lit.argmax(axis=1)), _support(lit, _before_gap(lit)))


def _before_gap(lit: Mask) -> ProfileIndices:
    """Return in each profile the position just inside the innermost two dark pixels near the line or outside it."""
    gap = ~lit[:, 1 : _REACH + 3] & ~lit[:, : _REACH + 2]
    return np.where(gap.any(axis=1), gap.shape[1] + 1 - gap[:, ::-1].argmax(axis=1), 0)


def _support(lit: Mask, first: ProfileIndices) -> tuple[float, float]:
    """Return the share of profiles that support a line, given their borders `first`, and the offset of the borders.

    A profile supports the line where it is dark outside and lit inside, and where its border and its neighbors' lie on a
    straight line or a large arc. Tissue that fades into the dark has a ragged border.
    """
    inside = np.arange(lit.shape[1]) >= first[:, None]
    solid = (lit & inside).sum(axis=1) >= _SOLID * inside.sum(axis=1)
    solid &= (first >= 2) & (first < lit.shape[1] - _REACH)
    if len(lit) <= 2 * _PROFILE_STEP or not solid.any():
        return 0.0, 0.0
    before, here, after = (slice(i * _PROFILE_STEP, len(lit) - (2 - i) * _PROFILE_STEP) for i in range(3))
    smooth = np.abs(first[before] - 2 * first[here] + first[after]) <= _MAX_BEND
    support = float(np.mean(smooth & solid[before] & solid[here] & solid[after]))
    borders = np.sort(first[solid])
    return support, float(borders[int(_OUTER_QUANTILE * len(borders))]) - _REACH
