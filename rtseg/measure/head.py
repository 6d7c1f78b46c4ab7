"""Compute fetal head biometry from the ellipse of the skull."""

import math
from dataclasses import dataclass, replace

import numpy as np

from rtseg.frame import Mask, Spacing
from rtseg.measure.ellipse import fit_ellipse


@dataclass(frozen=True, slots=True)
class HeadBiometry:
    """Holds the measures of a fetal head, in the unit of the spacing.

    They are those of an ellipse around the skull's outline, as the guidelines of the International Society of Ultrasound in
    Obstetrics and Gynecology (ISUOG) define them.
    """

    hc: float  # head circumference
    bpd: float  # biparietal diameter: the minor axis
    ofd: float  # occipitofrontal diameter: the major axis


def head_biometry(mask: Mask, spacing: Spacing = (1.0, 1.0), outline_px: float = 0.0) -> HeadBiometry | None:
    """Measure a head's mask (H, W) bool; None for an empty mask. spacing: pixel size (down, along).

    outline_px: how far the mask reaches beyond the measured line, as in `Segmentation.outline_px`. A mask that was filled with
    an outline of some width holds the outer half of it, and an expert measures along its middle.
    """
    ellipse = fit_ellipse(mask, spacing)
    if ellipse is None:
        return None
    outline = outline_px * (spacing[0] + spacing[1])  # on both sides
    inner = replace(ellipse, major=max(0.0, ellipse.major - outline), minor=max(0.0, ellipse.minor - outline))
    return HeadBiometry(inner.circumference if inner.major else 0.0, inner.minor, inner.major)


def outer_to_inner_diameter(outer: Mask, inner: Mask, spacing: Spacing = (1.0, 1.0)) -> float | None:
    """Return the biparietal diameter from the skull's outer border near the probe to its inner border away from it.

    outer: (H, W) bool, the filled head. inner: what lies within the skull. Both are taken as ellipses; the line is the minor
    axis of the outer one, in the unit of the spacing (down, along); None where one of them is empty. The convention is that of
    F. P. Hadlock et al., "Fetal biparietal diameter: a critical re-evaluation", Journal of Ultrasound in Medicine 1, 1982.
    """
    skull, cavity = fit_ellipse(outer, spacing), fit_ellipse(inner, spacing)
    if skull is None or cavity is None:
        return None
    down, along = math.cos(skull.angle_rad), -math.sin(skull.angle_rad)  # across the major axis, away from the probe
    apart = (np.array(cavity.centre) - skull.centre) * spacing @ (down, along)
    turned = skull.angle_rad - cavity.angle_rad
    reach = math.hypot(cavity.minor / 2 * math.cos(turned), cavity.major / 2 * math.sin(turned))
    return float(skull.minor / 2 + apart + reach)


def gestational_age_weeks(hc_mm: float) -> float | None:
    """Return the gestational age in weeks by the head circumference in mm; None outside 12 to 42 weeks.

    F. P. Hadlock et al., "Estimating fetal age: computer-assisted analysis of multiple fetal growth parameters", Radiology 152,
    1984: 8.96 + 0.540 HC + 0.0003 HC^3, HC in cm, with a standard deviation of 1.2 (12 to 18 weeks) to 2.7 weeks (36 to 42).
    """
    hc = hc_mm / 10
    weeks = 8.96 + 0.540 * hc + 0.0003 * hc**3
    return weeks if 12 <= weeks <= 42 else None
