"""Fit an ellipse to a region, and fill the region of an ellipse."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rtseg.frame import Mask, Spacing

_PIXEL_VARIANCE = 1 / 12  # variance of the positions within one pixel

Covariance = npt.NDArray[np.float64]  # (2, 2): rows, columns


@dataclass(frozen=True, slots=True)
class Ellipse:
    """Holds the parameters of an ellipse."""

    centre: tuple[float, float]
    """(row, column) in pixels."""
    major: float
    """Full length of the major axis, in the unit of the spacing."""
    minor: float
    """Full length of the minor axis, in the unit of the spacing."""
    angle_rad: float
    """Angle of the major axis, from the row direction towards the column direction, in (-pi/2, pi/2]."""

    @property
    def circumference(self) -> float:
        """Return the perimeter by Ramanujan's second approximation (1914), accurate to 1e-5 for the shape of any head."""
        a, b = self.major / 2, self.minor / 2
        h = ((a - b) / (a + b)) ** 2
        return math.pi * (a + b) * (1 + 3 * h / (10 + math.sqrt(4 - 3 * h)))


def fit_ellipse(mask: Mask, spacing: Spacing = (1.0, 1.0)) -> Ellipse | None:
    """Return the ellipse with the mask's area moments of first and second order; None for an empty mask.

    mask: (H, W) bool, a filled region. spacing: pixel size (down, along), in the unit of the returned axes. The semi-axes of a
    filled ellipse are twice the square roots of the covariance's eigenvalues (Teague, 1980).
    """
    moments = _moments(mask)
    if moments is None:
        return None
    centre, spread = moments
    values, vectors = np.linalg.eigh(spread * np.outer(spacing, spacing))
    minor, major = 4 * np.sqrt(values)
    down, along = vectors[:, 1]
    angle = math.atan2(down, along)
    angle -= math.pi * (angle > math.pi / 2) - math.pi * (angle <= -math.pi / 2)
    return Ellipse(centre, float(major), float(minor), angle)


def fill_ellipse(mask: Mask) -> Mask:
    """Return the region of the mask's ellipse, (H, W) bool; an empty mask stays empty.

    Experts annotate heads as ellipses (T. van den Heuvel et al., PLOS ONE 2018), so a ragged border is the network's error.
    """
    moments = _moments(mask)
    if moments is None:
        return np.zeros(mask.shape, bool)
    (row, column), spread = moments
    down, along = (2 * math.sqrt(variance) for variance in spread.diagonal())
    rows, columns = _axis_range(row, down, mask.shape[0]), _axis_range(column, along, mask.shape[1])
    filled = np.zeros(mask.shape, bool)
    first, last = _row_ends(np.arange(rows.start, rows.stop) - row, spread) + np.float32(column)
    places = np.arange(columns.start, columns.stop, dtype=np.float32)
    filled[rows, columns] = (places >= first[:, None]) & (places <= last[:, None])
    return filled


def _axis_range(middle: float, half: float, side: int) -> slice:
    """Return the rows, or columns, that an ellipse may touch."""
    return slice(max(0, math.ceil(middle - half)), min(side, math.floor(middle + half) + 1))


def _row_ends(y: npt.NDArray[np.float64], spread: Covariance) -> npt.NDArray[np.float32]:
    """Return x at which each row enters and leaves the ellipse a y^2 + 2 b x y + c x^2 = 1, from its center: (2, rows)."""
    (a, b), (_, c) = np.linalg.inv(4 * spread)
    half = np.sqrt(np.maximum((b * y) ** 2 - c * (a * y * y - 1), 0))
    return np.stack([-b * y - half, -b * y + half]).astype(np.float32) / np.float32(c)


def _moments(mask: Mask) -> tuple[tuple[float, float], Covariance] | None:
    """Return the center (row, column) of a mask and the covariance of its pixels; None where it is empty."""
    y, x = (np.arange(side, dtype=np.float32) - side // 2 for side in mask.shape)  # centered, so that float32 is exact enough
    counts, across, squares = (mask.astype(np.float32) @ np.stack([np.ones_like(x), x, x * x], 1)).T.astype(np.float64)
    area = counts.sum()
    if not area:
        return None
    row, column = y @ counts / area, across.sum() / area
    mixed = y @ across / area - row * column
    spread = np.array([[y * y @ counts / area - row * row, mixed], [mixed, squares.sum() / area - column * column]])
    return (row + mask.shape[0] // 2, column + mask.shape[1] // 2), spread + _PIXEL_VARIANCE * np.eye(2)
