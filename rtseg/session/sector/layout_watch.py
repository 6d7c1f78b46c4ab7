"""Whether a picture still fills its sector, and nothing else: cheap enough for every frame."""

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.frame import Image, Mask
from rtseg.kernels.runtime.arrays import readable
from rtseg.kernels.runtime.cpu import compiled
from rtseg.session.sector.evidence import Grey, above_ground, ground_of, step_of, thumbnail
from rtseg.session.sector.shape import Sector

_LIT = 4  # grey levels above the ground
_BAND = 9  # pixels of the thumbnail: how wide the rims inside and outside of an outline are looked at, and the gap left between
_FADED = 0.8  # of the rim that was lit is lit
_SPILLED = 0.02  # of what lies outside is lit and was not: a menu, or the picture itself

Places = npt.NDArray[np.int64]


class Watch:
    """Remembers how the rim inside a sector and the surroundings looked, and compares."""

    def __init__(self, sector: Sector, image: Image) -> None:
        thumb, step = thumbnail(image), step_of(image.shape[0], image.shape[1])
        levels = above_ground(np.arange(256, dtype=np.uint8)[None], ground_of(thumb))
        table = readable((levels[0] >= _LIT).astype(np.uint8))
        inside = thumbnail(sector.mask().astype(np.uint8))
        band = np.ones((_BAND, _BAND), np.uint8)
        # OpenCV takes what lies outside the frame for inside here, so that the frame's own border is no rim.
        rim = (inside == 1) & (cv2.erode(inside, band) == 0)
        near = cv2.dilate(cv2.LUT(thumb, table), band)
        free = (cv2.dilate(inside, band) == 0) & (near == 0)
        self._rim, self._free = _Part(rim, step, table), _Part(free, step, table)
        self._rim_lit = self._rim.lit(image)

    def is_suspicious(self, image: Image) -> bool:
        """Whether the rim of the sector went dark, or its surroundings lit up."""
        return self._rim.lit(image) < _FADED * self._rim_lit or self.has_spilled(image)

    def has_spilled(self, image: Image) -> bool:
        """Whether the surroundings lit up."""
        return self._free.lit(image) > _SPILLED


class _Part:
    """Some pixels of a thumbnail, which may be none, found again in the frame itself: nothing else of it is read.

    table: (256,), 1 for the grey levels that are lit.
    """

    def __init__(self, where: Mask, step: int, table: Grey) -> None:
        rows, columns = np.nonzero(where)
        self._rows, self._columns, self._table = readable(rows * step), readable(columns * step), table

    def lit(self, image: Image) -> float:
        """The share of them that is lit."""
        count = _count_grey if image.ndim == 2 else _count_rgb
        return int(count(image, self._rows, self._columns, self._table)) / max(1, self._rows.size)


@compiled
def _count_grey(image: Image, rows: Places, columns: Places, table: Grey) -> int:
    count = 0
    for k in range(rows.size):
        count += table[image[rows[k], columns[k]]]
    return count


@compiled
def _count_rgb(image: Image, rows: Places, columns: Places, table: Grey) -> int:
    """With the BT.601 luma in 14 bits, as OpenCV's."""
    count = 0
    for k in range(rows.size):
        row, column = rows[k], columns[k]
        luma = 4899 * np.int32(image[row, column, 0]) + 9617 * np.int32(image[row, column, 1])
        count += table[(luma + 1868 * np.int32(image[row, column, 2]) + (1 << 13)) >> 14]
    return count
