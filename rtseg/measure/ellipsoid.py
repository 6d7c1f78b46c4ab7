"""Computes the volume of an organ from its three lengths, as for a bladder or a prostate."""

import math

from rtseg.measure.measured_region import MeasuredRegion


def ellipsoid_volume(length_mm: float, width_mm: float, height_mm: float, factor: float = math.pi / 6) -> float:
    """Return the volume in ml of the ellipsoid with three full axes in mm.

    factor: pi / 6 for an ellipsoid; guidelines give others for some organs, as 0.7 for a full bladder. Raises ValueError for an
    axis that is not a number above 0.
    """
    if not (min(length_mm, width_mm, height_mm) > 0 and max(length_mm, width_mm, height_mm) < math.inf):
        raise ValueError(f"the axes are {length_mm:g}, {width_mm:g} and {height_mm:g} mm: give three lengths above 0")
    return factor * length_mm * width_mm * height_mm / 1000


def plane_volume(region: MeasuredRegion, third_mm: float) -> float | None:
    """Return the volume in ml of an organ seen in one plane, by the axes of its ellipse and a length from another plane."""
    ellipse = region.ellipse
    return ellipsoid_volume(ellipse.major, ellipse.minor, third_mm) if ellipse and ellipse.minor > 0 else None
