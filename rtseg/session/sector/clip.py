"""Keep the labels inside the sector: an ellipse that was completed, or a region in a corner of its box, may leave it."""

import cv2
import numpy as np

from rtseg.frame import Labels
from rtseg.session.sector.shape import Sector, SectorKind


class SectorClip:
    """Makes labels outside a sector background; the cover of the last sector is kept."""

    def __init__(self) -> None:
        self._sector: Sector | None = None
        self._cover: Labels | None = None

    def clip(self, labels: Labels, sector: Sector) -> Labels:
        """Set labels (H, W) uint8 outside the sector to 0, in place, and return them; all stay where it is whole or unknown."""
        if sector.kind in (SectorKind.WHOLE, SectorKind.UNKNOWN) or sector.size != labels.shape:
            return labels
        if self._cover is None or (self._sector is not sector and self._sector != sector):
            self._sector, self._cover = sector, np.where(sector.mask(), np.uint8(255), np.uint8(0))
        cv2.bitwise_and(labels, self._cover, dst=labels)  # a new array of a frame's size would take longer than the work
        return labels
