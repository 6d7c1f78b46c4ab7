"""Measures a lesion by the descriptors of breast ultrasound: width, height, and whether it is taller than wide.

ACR BI-RADS Atlas, 5th edition, 2013, "Ultrasound", orientation: parallel to the skin, or not ("taller than wide").
"""

import numpy as np

from rtseg.frame import Mask, Spacing


def lesion_extent(mask: Mask, spacing: Spacing = (1.0, 1.0)) -> tuple[float, float]:
    """Return the height and the width of a mask (H, W) bool across and along the probe's face, in the unit of the spacing."""
    height, width = (int(np.ptp(places)) + 1 if len(places) else 0 for places in np.nonzero(mask))
    return height * spacing[0], width * spacing[1]


def taller_than_wide(mask: Mask, spacing: Spacing = (1.0, 1.0)) -> float | None:
    """Return height over width, above 1 for a lesion taller than wide; None for an empty mask."""
    height, width = lesion_extent(mask, spacing)
    return height / width if width else None
