"""Computes the volume of an organ from its three lengths, as for a bladder or a prostate."""

import math


def ellipsoid_volume(length_mm: float, width_mm: float, height_mm: float, factor: float = math.pi / 6) -> float:
    """Return the volume in ml of the ellipsoid with three full axes in mm.

    factor: pi / 6 for an ellipsoid; guidelines give others for some organs, as 0.7 for a full bladder. Raises ValueError for an
    axis that is not above 0.
    """
    if not min(length_mm, width_mm, height_mm) > 0:
        raise ValueError(f"an axis of {min(length_mm, width_mm, height_mm):g} mm: give three lengths above 0")
    return factor * length_mm * width_mm * height_mm / 1000
