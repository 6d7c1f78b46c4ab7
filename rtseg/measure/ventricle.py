"""Measures the left ventricle in an apical view: its volume by two methods, and the ejection fraction of each beat.

R. M. Lang et al., "Recommendations for cardiac chamber quantification by echocardiography in adults", Journal of the American
Society of Echocardiography 28, 2015: discs (Simpson) along the long axis, or the area and its length.
"""

import math
from collections.abc import Sequence

import numpy as np

from rtseg.frame import Mask, Spacing
from rtseg.measure.ellipse import fit_ellipse
from rtseg.measure.principal_axes import across_profile

DISCS = 20


def disc_volume(mask: Mask, spacing_mm: Spacing) -> float | None:
    """Return the volume in ml of a cavity (H, W) bool, by 20 round discs along its long axis; None for an empty mask."""
    widths = across_profile(mask, spacing_mm)
    if not len(widths):
        return None
    edges = np.linspace(0, len(widths), DISCS + 1)
    filled = np.concatenate([[0.0], np.cumsum(widths)])  # area up to each step
    areas = np.diff(np.interp(edges, np.arange(len(filled)), filled)) * min(spacing_mm)
    thickness = len(widths) * min(spacing_mm) / DISCS
    return float(math.pi / 4 * np.sum((areas / thickness) ** 2) * thickness / 1000)


def area_length_volume(mask: Mask, spacing_mm: Spacing) -> float | None:
    """Return the volume in ml of a cavity (H, W) bool, 8 area^2 / (3 pi length); None for an empty mask."""
    length = long_axis(mask, spacing_mm)
    if not length:
        return None
    area = np.count_nonzero(mask) * spacing_mm[0] * spacing_mm[1]
    return float(8 * area**2 / (3 * math.pi * length) / 1000)


def long_axis(mask: Mask, spacing: Spacing) -> float:
    """Return the extent of a mask along its major axis, in the unit of the spacing; 0 for an empty mask."""
    return len(across_profile(mask, spacing)) * min(spacing) if fit_ellipse(mask, spacing) else 0.0


def ejection_fractions(end_diastolic: Sequence[float], end_systolic: Sequence[float]) -> list[float]:
    """Return the share of the volume that each beat ejects, (ED - ES) / ED; NaN where the first is not above 0."""
    return [(full - left) / full if full > 0 else float("nan") for full, left in zip(end_diastolic, end_systolic, strict=True)]
