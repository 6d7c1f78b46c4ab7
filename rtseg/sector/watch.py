"""Whether a picture still fills its sector, and nothing else: cheap enough for every frame."""

import cv2
import numpy as np

from rtseg.frame import Image, Mask
from rtseg.sector.evidence import Flags, above_ground, ground_of, thumbnail
from rtseg.sector.shape import Sector

_LIT = 4  # grey levels above the ground
_BAND = 9  # pixels of the thumbnail: how wide the rims inside and outside of an outline are looked at, and the gap left between
_FADED = 0.8  # of the rim that was lit is lit
_SPILLED = 0.02  # of what lies outside is lit and was not: a menu, or the picture itself


class Watch:
    """Remembers how the rim inside a sector and the surroundings looked, and compares."""

    def __init__(self, sector: Sector, image: Image) -> None:
        thumb = thumbnail(image)
        self._ground = ground_of(thumb)
        inside = thumbnail(sector.mask().astype(np.uint8))
        band = np.ones((_BAND, _BAND), np.uint8)
        # OpenCV takes what lies outside the frame for inside here, so that the frame's own border is no rim.
        self._rim: Mask = (inside == 1) & (cv2.erode(inside, band) == 0)
        lit = self._lit(image)
        near = cv2.dilate(lit, band)
        self._free: Mask = (cv2.dilate(inside, band) == 0) & (near == 0)
        self._rim_lit = float(lit[self._rim].mean()) if self._rim.any() else 0.0

    def is_suspicious(self, image: Image) -> bool:
        """Whether the rim of the sector went dark, or its surroundings lit up."""
        lit = self._lit(image)
        faded = self._rim_lit > 0 and lit[self._rim].mean() < _FADED * self._rim_lit
        return bool(faded) or self._spills(lit)

    def has_spilled(self, image: Image) -> bool:
        """Whether the surroundings lit up."""
        return self._spills(self._lit(image))

    def _spills(self, lit: Flags) -> bool:
        return bool(self._free.any() and lit[self._free].mean() > _SPILLED)

    def _lit(self, image: Image) -> Flags:
        return (above_ground(thumbnail(image), self._ground) >= _LIT).astype(np.uint8)
