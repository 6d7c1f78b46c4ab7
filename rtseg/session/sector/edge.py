"""Find the pixels along a sector's border, where a mask may be cut off."""

from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.session.sector.shape import Sector, SectorKind

Places: TypeAlias = npt.NDArray[np.intp]  # of pixels in a flattened frame

_WIDTH = np.ones((5, 5), np.uint8)  # two pixels inside the border count


class SectorEdge:
    """Returns the edge of a sector; that of the last sector is kept."""

    def __init__(self) -> None:
        self._key: tuple[Sector, tuple[int, ...]] | None = None
        self._places: Places = np.zeros(0, np.intp)

    def places(self, sector: Sector, size: tuple[int, ...]) -> Places:
        """Return the edge's places in a flattened frame of size (H, W); the frame's own edge where the sector is unknown."""
        if self._key != (sector, size):
            is_all = sector.kind in (SectorKind.WHOLE, SectorKind.UNKNOWN) or sector.size != size
            inside = np.ones(size, np.uint8) if is_all else sector.mask().astype(np.uint8)
            self._key = (sector, size)
            self._places = np.flatnonzero(cv2.erode(inside, _WIDTH, borderValue=0) != inside)
        return self._places
