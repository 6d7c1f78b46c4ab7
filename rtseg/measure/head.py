"""Fetal biometry: what is read off the ellipse of a head."""

from dataclasses import dataclass

from rtseg.frame import Mask, Spacing
from rtseg.measure.ellipse import ellipse_of


@dataclass(frozen=True, slots=True)
class HeadBiometry:
    """A head's circumference, biparietal diameter (across) and occipitofrontal diameter (along), in the spacing's unit.

    Read off the ellipse of the skull's outline, as the International Society of Ultrasound in Obstetrics and Gynecology has it.
    """

    hc: float
    bpd: float
    ofd: float


def head_biometry(mask: Mask, spacing: Spacing = (1.0, 1.0)) -> HeadBiometry | None:
    """What is read off a head's mask (H, W) bool; None where there is no head."""
    ellipse = ellipse_of(mask, spacing)
    return HeadBiometry(ellipse.circumference, ellipse.minor, ellipse.major) if ellipse else None
