"""Holds the mask of one class in one frame, and computes once what several measures share."""

from functools import cached_property

import numpy as np

from rtseg.frame import Mask, Spacing
from rtseg.measure.ellipse import Ellipse, fit_ellipse
from rtseg.measure.head import HeadBiometry, head_biometry
from rtseg.measure.outline import callipers, largest_region


class MeasuredRegion:
    """Holds the mask of one class.

    mask: (H, W) bool. spacing_mm: (down, along). outline_px: as in `Segmentation.outline_px`.
    """

    def __init__(self, mask: Mask, spacing_mm: Spacing, outline_px: float = 0.0) -> None:
        self.mask, self.spacing_mm, self.outline_px = mask, spacing_mm, outline_px

    @cached_property
    def largest(self) -> Mask:
        """Return the largest connected region."""
        return largest_region(self.mask)

    @property
    def area_mm2(self) -> float:
        """Return the area of the whole mask."""
        return float(np.count_nonzero(self.mask) * self.spacing_mm[0] * self.spacing_mm[1])

    @cached_property
    def ellipse(self) -> Ellipse | None:
        """Return the ellipse of the largest region in mm."""
        return fit_ellipse(self.largest, self.spacing_mm)

    @cached_property
    def callipers_mm(self) -> tuple[float, float]:
        """Return the smallest and the largest calliper."""
        return callipers(self.mask, self.spacing_mm)

    @cached_property
    def head(self) -> HeadBiometry | None:
        """Return the biometry of a head."""
        return head_biometry(self.mask, self.spacing_mm, self.outline_px)
