"""Compute fetal head biometry from the ellipse of the skull."""

from dataclasses import dataclass, replace

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


def gestational_age_weeks(hc_mm: float) -> float | None:
    """Return the gestational age in weeks by the head circumference in mm; None outside 12 to 42 weeks.

    F. P. Hadlock et al., "Estimating fetal age: computer-assisted analysis of multiple fetal growth parameters", Radiology 152,
    1984: 8.96 + 0.540 HC + 0.0003 HC^3, HC in cm, with a standard deviation of 1.2 (12 to 18 weeks) to 2.7 weeks (36 to 42).
    """
    hc = hc_mm / 10
    weeks = 8.96 + 0.540 * hc + 0.0003 * hc**3
    return weeks if 12 <= weeks <= 42 else None
