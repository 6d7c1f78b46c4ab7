"""Edges of the tissue: each side of its convex hull, and whether the picture really ends there, straight and sharp."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.frame import Mask
from rtseg.session.sector.evidence import Flags, Grey
from rtseg.session.sector.shape import Points

Places = npt.NDArray[np.intp]  # (N,): an index into each profile

_REACH = 10  # pixels outside of a hull's side in which nothing may be, and inside of its border in which tissue must be
_DEPTH = 5  # pixels inside of a hull's side at which the border may lie
_BITE, _UPWARDS = 0.4, 0.9  # the probe's round face bites so much of its width out of the top side, which faces so much upwards
_SOLID = 0.6  # of the pixels from the edge inwards are lit
_EVERY = 3  # pixels along the edge, from profile to profile
_APART, _RAGGED = 3, 3  # profiles, pixels: three borders so far apart bend by no more; farther than JPEG's blocks of 8 pixels
_OUTERMOST = 0.05  # of the borders lie outside of where the frame is cut
_SHORTEST = 0.04  # of the frame's smaller side
_SLACK = 1.0  # pixels by which an edge is moved out: cutting tissue is worse than keeping a line of the ground


@dataclass(frozen=True, slots=True)
class Edge:
    """A side of the tissue's hull inside the frame.

    point, inward: the line of the edge and its normal (x, y). length: in pixels. support: the share of the length at which the
    picture ends there, 0 to 1.
    """

    point: Points
    inward: Points
    length: float
    support: float


def hull_of(evidence: Flags) -> Points:
    """The convex hull of the lit pixels of a thumbnail, (N, 2), in few corners."""
    rows = np.flatnonzero(evidence.any(axis=1))
    left = evidence[rows].argmax(axis=1)
    right = evidence.shape[1] - 1 - evidence[rows, ::-1].argmax(axis=1)
    # A row's first and last pixel are all that the hull can touch; OpenCV takes ten times as long for all the others.
    ends = np.concatenate([np.stack([left, rows], axis=1), np.stack([right, rows], axis=1)])
    return cv2.approxPolyDP(cv2.convexHull(ends.astype(np.int32)), 1.0, closed=True)[:, 0].astype(np.float64)


def edges_of(hull: Points, above: Grey, levels: int) -> Iterator[Edge]:
    """The sides of a hull, (N, 2), that do not lie on the picture's own border, each looked at in the picture, (H, W)."""
    middle = hull.mean(axis=0)
    for start, end in zip(hull, np.roll(hull, -1, axis=0), strict=True):
        length = float(np.hypot(*(end - start)))
        if length < _SHORTEST * min(above.shape):
            continue
        along = (end - start) / length
        normal = np.array([-along[1], along[0]])
        inward = normal if (middle - start) @ normal > 0 else -normal
        depth = max(_DEPTH, round(_BITE * length)) if inward[1] > _UPWARDS else _DEPTH
        line = start + np.arange(0.5, length, _EVERY)[:, None] * along
        if _in_frame(line - _REACH * inward, above.shape) > 0.5:
            support, shift = _measured(_profiles(line, inward, depth, above) >= levels)
            yield Edge(start + inward * (shift - _SLACK), inward, length, support)


def _in_frame(points: Points, shape: tuple[int, ...]) -> float:
    """The share of points that lie in a frame of `shape`."""
    return float(np.mean((points >= 0).all(axis=1) & (points < shape[1::-1]).all(axis=1)))


def _profiles(line: Points, inward: Points, depth: int, above: Grey) -> Grey:
    """The pixels across a line, from outside inwards, black outside the frame: (N, places)."""
    across = np.arange(-_REACH, depth + _REACH + 1)[None, :, None]
    x, y = np.ascontiguousarray(np.moveaxis(line[:, None] + inward * across, -1, 0), np.float32)
    return np.asarray(cv2.remap(above, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT), np.uint8)


def _measured(lit: Mask) -> tuple[float, float]:
    """The support of a line, and how far inwards of it, in pixels, the picture ends.

    The border of a profile is its outermost lit pixel, or, where letters or a bar stand close outside, the last before the gap.
    """
    return max(_support(lit, lit.argmax(axis=1)), _support(lit, _before_gap(lit)))


def _before_gap(lit: Mask) -> Places:
    """In each profile the place just inside of the innermost two dark pixels, from a little inside of the line outwards."""
    gap = ~lit[:, 1 : _REACH + 3] & ~lit[:, : _REACH + 2]
    return np.where(gap.any(axis=1), gap.shape[1] + 1 - gap[:, ::-1].argmax(axis=1), 0)


def _support(lit: Mask, first: Places) -> tuple[float, float]:
    """The share of the profiles that support a line, where their borders are at `first`, and where that is from the line.

    A profile supports it where it is dark outside and lit inside, and where its border and those of the next ones lie on a
    straight line, or a large arc: tissue that fades into the dark has a ragged border.
    """
    inside = np.arange(lit.shape[1]) >= first[:, None]
    solid = (lit & inside).sum(axis=1) >= _SOLID * inside.sum(axis=1)
    solid &= (first >= 2) & (first < lit.shape[1] - _REACH)
    if len(lit) <= 2 * _APART or not solid.any():
        return 0.0, 0.0
    before, here, after = (slice(i * _APART, len(lit) - (2 - i) * _APART) for i in range(3))
    smooth = np.abs(first[before] - 2 * first[here] + first[after]) <= _RAGGED
    support = float(np.mean(smooth & solid[before] & solid[here] & solid[after]))
    borders = np.sort(first[solid])
    return support, float(borders[int(_OUTERMOST * len(borders))]) - _REACH
