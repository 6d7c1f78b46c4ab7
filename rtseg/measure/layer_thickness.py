"""Measures a muscle between its two aponeuroses: thickness, and the pennation angle of its fascicles.

M. V. Narici et al., "In vivo human gastrocnemius architecture with changing joint angle", 1996: thickness is the distance of
the aponeuroses, pennation the angle of a fascicle to the deep one.
"""

import math

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.frame import Mask, Spacing
from rtseg.measure.ellipse import fit_ellipse
from rtseg.measure.outline import largest_region

_MIN_COLUMNS = 8  # in which both layers are seen
_MIN_FASCICLE_PX = 8  # a smaller speck has no direction


def layer_thickness(upper: Mask, lower: Mask, spacing: Spacing = (1.0, 1.0)) -> float | None:
    """Return the mean distance between the lower border of one layer and the upper border of another below it.

    upper, lower: (H, W) bool. The distance is taken across the direction that bisects both borders, over the columns where both
    are seen, in the unit of the spacing (down, along). None where fewer than 8 columns show both.
    """
    columns = np.flatnonzero(upper.any(0) & lower.any(0))
    if len(columns) < _MIN_COLUMNS:
        return None
    height = upper.shape[0]
    top = (height - np.argmax(upper[::-1, columns], 0)) * spacing[0]  # below the last pixel
    bottom = np.argmax(lower[:, columns], 0) * spacing[0]  # above the first pixel
    x = np.asarray(columns * spacing[1], np.float64)
    middle_slope = (_slope(x, top) + _slope(x, bottom)) / 2
    return float(np.mean(bottom - top) / math.hypot(1, middle_slope))


def split_layers(mask: Mask) -> tuple[Mask, Mask] | None:
    """Return the two largest regions of one mask (H, W), the upper first; None where they do not lie above one another.

    For models with one class for both aponeuroses.
    """
    count, regions, stats, centers = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count < 3:
        return None
    first, second = 1 + np.argsort(stats[1:, cv2.CC_STAT_AREA])[::-1][:2]
    if centers[first][1] > centers[second][1]:
        first, second = second, first
    upper, lower = np.equal(regions, first), np.equal(regions, second)
    shared = np.flatnonzero(upper.any(0) & lower.any(0))
    return (upper, lower) if len(shared) >= _MIN_COLUMNS else None


def pennation_angle(fascicles: Mask, lower: Mask, spacing: Spacing = (1.0, 1.0)) -> float | None:
    """Return the median angle in degrees, 0..90, of the fascicles to the deep aponeurosis; None where no fascicle is seen.

    fascicles: (H, W) bool; each connected region of at least 8 pixels is one. lower: the deep aponeurosis; where the mask has
    another layer above it, as of a model with one class for both, the deeper one counts.
    """
    layers = split_layers(lower)
    deep = fit_ellipse(layers[1] if layers else largest_region(lower), spacing)
    if deep is None:
        return None
    _, regions, stats, _ = cv2.connectedComponentsWithStats(fascicles.astype(np.uint8))
    seen = 1 + np.flatnonzero(stats[1:, cv2.CC_STAT_AREA] >= _MIN_FASCICLE_PX)
    fitted = (fit_ellipse(np.equal(regions, one), spacing) for one in seen)
    angles = [math.degrees(abs(one.angle_rad - deep.angle_rad)) % 180 for one in fitted if one]
    return float(np.median([min(angle, 180 - angle) for angle in angles])) if angles else None


def _slope(x: npt.NDArray[np.float64], y: npt.NDArray[np.floating]) -> float:
    return float(np.polyfit(x, y, 1)[0])
