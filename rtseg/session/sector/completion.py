"""Fit a fan to the sharp edges of a region, and complete it where the tissue fades out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import atan2, cos, sin

import cv2
import numpy as np

from rtseg.session.sector.edges import Edge
from rtseg.session.sector.evidence import BinaryImage
from rtseg.session.sector.fan_contrast import side_contrast
from rtseg.session.sector.shape import Points, Shares

_MIN_ANGLE, _MAX_ANGLE = 0.1, 1.45  # radians between a fan's side and the vertical
_MAX_SKEW = 0.14  # radians: largest difference of the two sides' angles
_ARC_PIECES = 24
_RAYS, _RINGS, _SIDE_SAMPLES = 400, 400, 120  # samples of a fan
_MOVES = (
    *((1, 0, 0, 0), (-1, 0, 0, 0), (0, 1, 0, 0), (0, -1, 0, 0), (0, 0, 1, 0), (0, 0, -1, 0)),
    *((0, 1, 1, 0), (0, -1, -1, 0), (0, -1, 1, 0), (0, 1, -1, 0)),
    *((0, 0, 0, 1), (0, 0, 0, -1), (1, 0, 0, 1), (-1, 0, 0, -1), (1, 0, 0, -1), (-1, 0, 0, 1)),
)  # across, along, turn of both sides, lean of the axis
_TURN = 0.006  # radians for a move of one pixel
_FLAT_SHARE = 0.45  # of the hull's width: a longer level edge at the bottom is no arc
MIN_SHARE = 0.02  # share of a ring, ray, row or column that is lit where there is still ultrasound
_FACE_SHARE = 0.03  # share of an arc before the probe's face that letters may light
GAP = 0.012  # of the size: dark gap over which ultrasound goes on
_UPRIGHT = 0.98  # least component of the normal of an edge at which the scanner's window cuts a fan


@dataclass(frozen=True, slots=True)
class FanShape:
    """Holds a fan in pixels: its sides meet in the apex."""

    apex: tuple[float, float]
    """x, y."""
    half_angle: float
    """Radians between a side and the axis."""
    near: float
    """Radius of the probe's face."""
    far: float
    """Radius of the last arc."""
    lean: float = 0.0
    """Radians between the axis and the vertical, positive to the right: of a picture whose beams are steered."""

    def outline(self) -> Points:
        """Return the convex outline (N, 2): the last arc, and the face's corners."""
        far = self.far / cos(self.half_angle / _ARC_PIECES)  # the pieces of the arc touch it from outside
        arc = self.points(np.linspace(-1, 1, _ARC_PIECES + 1), np.array([far]))[:, 0]
        return np.concatenate([arc, self.points(np.array([1.0, -1.0]), np.array([self.near]))[:, 0]])

    def points(self, across: Shares, radii: Shares) -> Points:
        """Return the points (A, R, 2) at the angles `across` (A,), from -1 (left) to 1 (right), and at `radii` (R,)."""
        angles = self.lean + across * self.half_angle
        return np.array(self.apex) + np.stack([np.sin(angles), np.cos(angles)], 1)[:, None] * radii[:, None]


def widened(fan: FanShape, pixels: float) -> FanShape:
    """Return a fan whose sides and arcs are moved out, since cutting tissue is worse than keeping a line of the ground."""
    up = pixels / sin(fan.half_angle)
    near = max(0.0, fan.near + (up - pixels) / cos(fan.half_angle))
    apex = (fan.apex[0] - up * sin(fan.lean), fan.apex[1] - up * cos(fan.lean))
    return replace(fan, apex=apex, near=near if fan.near > up else 0.0, far=fan.far + up + pixels)


def fit_fan(edges: Sequence[Edge], hull: Points) -> FanShape | None:
    """Return the fan whose sides are sharp edges, or None where the edges are of no fan; hull (N, 2) and edges in pixels."""
    wide = float(np.ptp(hull[:, 0]))
    if any(edge.inward[1] < -_UPRIGHT and edge.length > _FLAT_SHARE * wide for edge in edges):
        return None
    sides = [_side(edges, sign) for sign in (1, -1)]
    known = [side for side in sides if side is not None]
    top, tall = float(hull[:, 1].min()), float(np.ptp(hull[:, 1]))
    if not known:
        return None
    if len(known) == 2 and abs(known[0][1] - known[1][1]) > _MAX_SKEW:
        known = [max(known, key=lambda side: side[1])]  # the other is where the tissue fades, and no side
    apex = _crossing(known[0], known[1]) if len(known) == 2 else _mirrored_apex(known[0], hull)
    angle = float(np.mean([side[1] for side in known]))
    lean = (known[1][1] - known[0][1]) / 2 if len(known) == 2 else 0.0
    if apex is None or apex[1] > top + 0.1 * tall:
        return None
    near = max(0.0, (top - apex[1]) / cos(angle))
    far = float(np.hypot(*(hull - apex).T).max())
    fan = FanShape(apex, angle, near, far, lean)
    return fan if near < 0.85 * far and 2 * fan.far * sin(angle) > 8 else None


def aligned(fan: FanShape, support: BinaryImage) -> FanShape:
    """Return a fan near `fan` whose sides divide lit pixels from dark ones best; support (H, W): 1 where pixels are lit."""
    best, value = fan, _contrast(fan, support)
    for size in (8.0, 4.0, 2.0, 1.0):
        is_better = True
        while is_better:
            is_better = False
            for across, along, turn, lean in _MOVES:
                apex = (best.apex[0] + across * size, best.apex[1] + along * size)
                angle = best.half_angle + turn * size * _TURN
                near = max(0.0, best.near - along * size)
                if not _MIN_ANGLE < angle < _MAX_ANGLE:
                    continue
                moved = FanShape(apex, angle, near, best.far, best.lean + lean * size * _TURN)
                if (found := _contrast(moved, support)) > value + 1e-4:
                    best, value, is_better = moved, found, True
    return best


def _contrast(fan: FanShape, support: BinaryImage) -> float:
    """Return how much more is lit just inside the sides than just outside."""
    span = fan.near + 0.05 * (fan.far - fan.near), 0.97 * fan.far
    return side_contrast(support, fan.apex, fan.half_angle, fan.lean, span, _SIDE_SAMPLES)


def mean_near(support: BinaryImage, x: Shares, y: Shares, inward: Points, depths: tuple[float, ...]) -> float:
    columns = np.concatenate([x + depth * inward[0] for depth in depths]).astype(np.float32)[None]
    rows = np.concatenate([y + depth * inward[1] for depth in depths]).astype(np.float32)[None]
    return float(cv2.remap(support, columns, rows, cv2.INTER_NEAREST, borderValue=0).mean())


def with_far_arc(fan: FanShape, support: BinaryImage) -> FanShape:
    """Return a fan whose last arc is where the rings stop to be lit."""
    radii = np.linspace(fan.near, 1.5 * fan.far, _RINGS)
    x, y = np.moveaxis(fan.points(np.linspace(-0.97, 0.97, _RAYS), radii), 2, 0)
    seen = (x >= 0) & (x < support.shape[1]) & (y >= 0) & (y < support.shape[0])
    lit = cv2.remap(support, x.astype(np.float32), y.astype(np.float32), cv2.INTER_NEAREST, borderValue=0)
    shares = lit.sum(0) / np.maximum(1, seen.sum(0))
    step = radii[1] - radii[0]
    start, gap = round((0.6 * fan.far - fan.near) / step), max(2, round((GAP * fan.far + 2) / step))
    return replace(fan, far=float(radii[last_lit(shares, max(0, start), gap)]))


def dark_face(fan: FanShape, support: BinaryImage) -> float:
    """Return the radius before which no ray of a fan is lit, at most that of its face's corners."""
    radii = np.linspace(0.0, 1.0, 60) * fan.near
    x, y = np.moveaxis(fan.points(np.linspace(-0.95, 0.95, 60), radii), 2, 0)
    lit = cv2.remap(support, x.astype(np.float32), y.astype(np.float32), cv2.INTER_NEAREST, borderValue=0).mean(0)
    first = np.flatnonzero(lit > _FACE_SHARE)
    return float(max(0.0, radii[first[0]] - 2.0 if first.size else fan.near - 2.0))


def last_lit(shares: Shares, start: int, gap: int) -> int:
    """Return the index of the last lit share after `start`, over dark gaps of `gap` at the most."""
    last = min(start, len(shares) - 1)
    for k in range(last, len(shares)):
        if shares[k] >= MIN_SHARE:
            last = k
        elif k - last > gap:
            break
    return last


def _side(edges: Sequence[Edge], sign: int) -> tuple[Points, float] | None:
    """Return a point on the left (sign 1) or right (-1) side, and its angle to the vertical: of the longest sharp edge."""
    sides = [edge for edge in edges if sign * edge.inward[0] > 0.1 and _MIN_ANGLE < _angle(edge) < _MAX_ANGLE]
    if not sides:
        return None
    best = max(sides, key=lambda edge: edge.length * edge.support)
    return best.point, _angle(best)


def _angle(edge: Edge) -> float:
    return atan2(float(edge.inward[1]), abs(float(edge.inward[0])))


def _crossing(left: tuple[Points, float], right: tuple[Points, float]) -> tuple[float, float] | None:
    """Return the point where both sides meet; None where one is on the side of the other."""
    (p, a), (q, b) = left, right
    matrix = np.array([[-sin(a), -sin(b)], [cos(a), -cos(b)]])
    if p[0] > q[0]:
        return None
    along = np.linalg.solve(matrix, np.asarray(q) - np.asarray(p))[0]
    return float(p[0] - along * sin(a)), float(p[1] + along * cos(a))


def _mirrored_apex(side: tuple[Points, float], hull: Points) -> tuple[float, float]:
    """Return the apex of a fan of which one side is known, and whose face is the top of the hull."""
    point, angle = side
    top = float(hull[:, 1].min())
    face = hull[hull[:, 1] <= top + 0.03 * np.ptp(hull[:, 1])]
    axis = float(face[:, 0].min() + face[:, 0].max()) / 2
    return axis, float(point[1] - abs(axis - point[0]) / np.tan(angle))


def covered_share(fan: FanShape, support: BinaryImage) -> float:
    """Return the share of a region's pixels (H, W) that a fan holds."""
    inside = np.zeros(support.shape, np.uint8)
    cv2.fillConvexPoly(inside, np.round(fan.outline()).astype(np.int32), 1)
    inside = np.asarray(cv2.dilate(inside, np.ones((5, 5), np.uint8)), np.uint8)
    return float(np.count_nonzero(support & inside) / max(1, int(np.count_nonzero(support))))
