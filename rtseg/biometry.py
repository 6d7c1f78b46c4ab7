"""Fetal biometry: the ellipse of a head, and what is read off it."""

import math
from dataclasses import dataclass

import numpy as np

from rtseg.frame import Mask, Spacing


@dataclass(frozen=True, slots=True)
class Ellipse:
    """An ellipse. centre: (row, column) in pixels. major, minor: its axes' whole lengths, in the unit of the spacing.

    angle_rad: of the major axis, from along a row towards down a column, in (-pi/2, pi/2].
    """

    centre: tuple[float, float]
    major: float
    minor: float
    angle_rad: float

    @property
    def circumference(self) -> float:
        """The perimeter, by Ramanujan's second approximation (1914), right to 1e-5 for any head."""
        a, b = self.major / 2, self.minor / 2
        h = ((a - b) / (a + b)) ** 2
        return math.pi * (a + b) * (1 + 3 * h / (10 + math.sqrt(4 - 3 * h)))


def ellipse_of(mask: Mask, spacing: Spacing = (1.0, 1.0)) -> Ellipse | None:
    """The ellipse that has the mask's area moments of first and second order; None for an empty mask.

    mask: (H, W) bool, a filled region. spacing: the size of a pixel (down, along), in the unit that the axes are wanted in.
    Of a filled ellipse the semi-axes are twice the square roots of the covariance's eigenvalues (Teague, 1980).
    """
    rows, columns = np.nonzero(mask)
    if not rows.size:
        return None
    places = np.stack([rows * spacing[0], columns * spacing[1]])
    pixel = np.diag(np.square(spacing)) / 12  # the spread within one pixel
    values, vectors = np.linalg.eigh(np.cov(places, bias=True) + pixel)
    minor, major = 4 * np.sqrt(values)
    down, along = vectors[:, 1]
    angle = math.atan2(down, along)
    angle -= math.pi * (angle > math.pi / 2) - math.pi * (angle <= -math.pi / 2)
    return Ellipse((float(rows.mean()), float(columns.mean())), float(major), float(minor), angle)


@dataclass(frozen=True, slots=True)
class HeadBiometry:
    """A head's circumference, biparietal diameter (across) and occipitofrontal diameter (along), in the spacing's unit.

    Read off the ellipse of the skull's outline, as the International Society of Ultrasound in Obstetrics and Gynecology has it.
    """

    hc: float
    bpd: float
    ofd: float


def head_biometry(mask: Mask, spacing: Spacing = (1.0, 1.0)) -> HeadBiometry | None:
    """What is read off a head's mask (H, W) bool; None where there is no head."""
    ellipse = ellipse_of(mask, spacing)
    return HeadBiometry(ellipse.circumference, ellipse.minor, ellipse.major) if ellipse else None
