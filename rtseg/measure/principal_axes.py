"""Lays a region along its principal axes, for lengths and widths that do not depend on how the probe was turned."""

import math

import numpy as np
import numpy.typing as npt

from rtseg.frame import Mask, Spacing
from rtseg.measure.ellipse import fit_ellipse

Profile = npt.NDArray[np.float64]

_FINENESS = 4  # sub-pixels along each side of a pixel, so that slanted borders leave no steps


def across_profile(mask: Mask, spacing: Spacing = (1.0, 1.0), axis: tuple[float, float] | None = None) -> Profile:
    """Return the widths of a mask (H, W) across its long axis at equal steps along it, in the unit of the spacing.

    axis: (down, along), the direction in which the profile runs; None: the major axis of the mask's ellipse. Steps are as long
    as the shorter side of a pixel. Empty for an empty mask.
    """
    ellipse = fit_ellipse(mask, spacing)
    if ellipse is None:
        return np.zeros(0)
    down, along = axis or (math.sin(ellipse.angle_rad), math.cos(ellipse.angle_rad))
    rows, columns = np.nonzero(mask)
    parts = (np.arange(_FINENESS) + 0.5) / _FINENESS - 0.5
    y = (rows[:, None, None] + parts[:, None]) * spacing[0] * down
    positions = (y + (columns[:, None, None] + parts) * spacing[1] * along).ravel()
    step = min(spacing)
    counts = np.bincount(np.floor((positions - positions.min()) / step).astype(np.int64))
    return np.asarray(counts * (spacing[0] * spacing[1] / _FINENESS**2 / step), np.float64)
