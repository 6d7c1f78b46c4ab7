"""Traces the border of a region between the pixels, and measures it: perimeter and callipers."""

import math

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.frame import Mask, Spacing

Points = npt.NDArray[np.float64]  # (N, 2): row, column in pixels, the middle of the first pixel at (0, 0)
Angles = npt.NDArray[np.float64]  # (K,)
Places = npt.NDArray[np.float32]  # the same as (x, y), or a plane

_SMOOTHING_PX = 1.2  # takes the steps out of the border, and rounds corners by about as much
_MARGIN = 6
_REFINEMENTS = 3  # Newton steps from a pixel's middle to the border
_DIRECTIONS, _FINE = 120, 61  # in which callipers are laid, and between two of them around the extrema
_MIN_SLOPE = 1e-3  # of the smoothed mask, squared


def largest_region(mask: Mask) -> Mask:
    """Return the largest connected region of a mask (H, W) bool; an empty mask stays empty."""
    count, regions = cv2.connectedComponents(mask.astype(np.uint8))
    if count < 3:
        return mask
    return np.equal(regions, 1 + int(np.argmax(np.bincount(regions.ravel(), minlength=count)[1:])))


def trace_outline(mask: Mask) -> Points:
    """Return the border of the largest region as a closed line of points (N, 2); N is 0 for an empty mask, or a speck.

    The line is that where the smoothed mask is one half, found from the border's pixels by Newton's method.
    """
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    part = np.pad(mask[top : top + height, left : left + width].astype(np.float32), _MARGIN)
    smooth = np.asarray(cv2.GaussianBlur(part, (0, 0), _SMOOTHING_PX), np.float32)
    lines, _ = cv2.findContours((smooth > 0.5).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not lines:
        return np.zeros((0, 2))
    points: Places = np.asarray(max(lines, key=cv2.contourArea).reshape(-1, 2), np.float32)
    down, along = (np.asarray(slope, np.float32) for slope in np.gradient(smooth))
    for _ in range(_REFINEMENTS):
        points = np.add(points, _newton_steps(points, smooth, down, along), dtype=np.float32)
    return np.add(points[:, ::-1], (top - _MARGIN, left - _MARGIN), dtype=np.float64)


def perimeter(outline: Points, spacing: Spacing = (1.0, 1.0)) -> float:
    """Return the length of a closed outline, in the unit of the spacing (down, along)."""
    steps = np.diff(outline * spacing, axis=0, append=outline[:1] * spacing)
    return float(np.hypot(*steps.T).sum())


def callipers(mask: Mask, spacing: Spacing = (1.0, 1.0)) -> tuple[float, float]:
    """Return the smallest and the largest distance of two parallel lines that enclose a mask (Feret diameters).

    In the unit of the spacing (down, along), of the largest region; zeros for an empty mask. Corners are rounded by a pixel.
    """
    border = trace_outline(mask)
    if not len(border):  # a speck: the corners of its pixels
        border = np.argwhere(mask)[:, None] + np.array([(-0.5, -0.5), (-0.5, 0.5), (0.5, -0.5), (0.5, 0.5)])
    if not border.size:
        return 0.0, 0.0
    hull = cv2.convexHull((border.reshape(-1, 2) * spacing).astype(np.float32))[:, 0].astype(np.float64)
    coarse = np.linspace(0, math.pi, _DIRECTIONS, endpoint=False)
    widths = _widths(hull, coarse)
    step = math.pi / _DIRECTIONS
    least, most = (_widths(hull, coarse[at] + np.linspace(-step, step, _FINE)) for at in (widths.argmin(), widths.argmax()))
    return float(least.min()), float(most.max())


def _widths(hull: Points, angles: Angles) -> Angles:
    """Return the distances of the parallels that enclose a hull (N, 2), for directions (K,) in radians."""
    places = hull @ np.stack([np.cos(angles), np.sin(angles)])
    return np.asarray(places.max(0) - places.min(0), np.float64)


def _newton_steps(
    points: Places,
    smooth: Places,
    down: Places,
    along: Places,
) -> Places:
    """Return the way of each point (x, y) to where `smooth` is one half, at most a pixel."""
    x, y = np.ascontiguousarray(points.T)[:, None]
    value, right, below = (cv2.remap(plane, x, y, cv2.INTER_LINEAR)[0] for plane in (smooth, along, down))
    step = (0.5 - value) / np.maximum(right**2 + below**2, _MIN_SLOPE)
    ways = np.stack([right * step, below * step], 1)
    return np.asarray(ways / np.maximum(1, np.hypot(*ways.T))[:, None], np.float32)
