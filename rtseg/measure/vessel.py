"""Measures a vessel's lumen: its diameter by a profile across it, and how it stretches over the pulse."""

from collections.abc import Sequence

import numpy as np

from rtseg.frame import Mask, Spacing
from rtseg.measure.ellipse import fit_ellipse
from rtseg.measure.principal_axes import across_profile

_ALONG_FROM = 2.0  # ratio of the axes from which the plane counts as lengthwise
_MIDDLE = 0.8  # share of a lengthwise vessel in which its diameter is taken


def lumen_diameter(mask: Mask, spacing: Spacing = (1.0, 1.0)) -> float | None:
    """Return the diameter of a lumen (H, W) bool, in the unit of the spacing (down, along); None for an empty mask.

    Cut across, axes of a ratio under 2: the diameter of the circle with the same area. Cut lengthwise: the median width across
    the middle 80 % of its length.
    """
    ellipse = fit_ellipse(mask, spacing)
    if ellipse is None:
        return None
    if ellipse.major < _ALONG_FROM * ellipse.minor:
        return float(np.sqrt(4 / np.pi * np.count_nonzero(mask) * spacing[0] * spacing[1]))
    widths = across_profile(mask, spacing)
    cut = round(len(widths) * (1 - _MIDDLE) / 2)
    return float(np.median(widths[cut : len(widths) - cut]))


def area_strain(areas: Sequence[float]) -> float:
    """Return the growth of a lumen's area over the pulse, (largest - smallest) / smallest; NaN where there is no area."""
    known = [area for area in areas if area > 0]
    return (max(known) - min(known)) / min(known) if known else float("nan")


def distensibility(areas: Sequence[float], pulse_pressure: float) -> float:
    """Return the area strain over the pulse pressure (systolic - diastolic), per unit of it.

    M. F. O'Rourke et al., "Clinical applications of arterial stiffness", American Journal of Hypertension 15, 2002, table 1.
    """
    return area_strain(areas) / pulse_pressure if pulse_pressure > 0 else float("nan")
