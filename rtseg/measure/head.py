"""Compute fetal head biometry from the ellipse of the skull."""

from dataclasses import dataclass

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


def head_biometry(mask: Mask, spacing: Spacing = (1.0, 1.0)) -> HeadBiometry | None:
    """Measure a head's mask (H, W) bool; None for an empty mask. spacing: pixel size (down, along)."""
    ellipse = fit_ellipse(mask, spacing)
    return HeadBiometry(ellipse.circumference, ellipse.minor, ellipse.major) if ellipse else None
