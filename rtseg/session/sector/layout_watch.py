"""Detect a change of the screen's layout: a sector that went dark at its rim, or surroundings that lit up.

It reads few pixels, so that every frame is tested.
"""

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.frame import Image, Mask
from rtseg.kernels.runtime.arrays import as_read_only
from rtseg.kernels.runtime.cpu import compiled
from rtseg.session.sector.evidence import GrayImage, above_background, background_level, sampling_step, screen_thumbnail
from rtseg.session.sector.shape import Sector

_LIT_LEVELS = 4  # gray levels above the background
_BAND = 9  # pixels of the thumbnail: width of the rim inside the outline, and of the gap outside it
_MIN_RIM_SHARE = 0.8  # lit share of the rim, relative to before, below which the sector changed
_MAX_SPILLED_SHARE = 0.02  # newly lit share of the surroundings: a menu, or the ultrasound itself

PixelIndices = npt.NDArray[np.int64]  # (N,): row or column indices


class LayoutWatch:
    """Compares the rim inside a sector and its surroundings with those of a reference image."""

    def __init__(self, sector: Sector, image: Image) -> None:
        thumb, step = screen_thumbnail(image), sampling_step(image.shape[0], image.shape[1])
        levels = above_background(np.arange(256, dtype=np.uint8)[None], background_level(thumb))
        table = as_read_only((levels[0] >= _LIT_LEVELS).astype(np.uint8))
        inside = screen_thumbnail(sector.mask().astype(np.uint8))
        band = np.ones((_BAND, _BAND), np.uint8)
        # OpenCV's default border leaves the frame's edge uneroded, so that the frame's own border is no rim.
        rim = (inside == 1) & (cv2.erode(inside, band) == 0)
        near = cv2.dilate(cv2.LUT(thumb, table), band)
        surroundings = (cv2.dilate(inside, band) == 0) & (near == 0)
        self._rim, self._surroundings = _PixelSet(rim, step, table), _PixelSet(surroundings, step, table)
        self._rim_lit = self._rim.lit_share(image)

    def has_changed(self, image: Image) -> bool:
        """Return whether the rim of the sector went dark, or its surroundings lit up."""
        return self._rim.lit_share(image) < _MIN_RIM_SHARE * self._rim_lit or self.has_spilled(image)

    def has_spilled(self, image: Image) -> bool:
        """Return whether the surroundings lit up."""
        return self._surroundings.lit_share(image) > _MAX_SPILLED_SHARE


class _PixelSet:
    """Holds the positions of some pixels of a thumbnail, perhaps none, and reads those alone from a frame.

    table: (256,), 1 for the gray levels that are lit.
    """

    def __init__(self, where: Mask, step: int, table: GrayImage) -> None:
        rows, columns = np.nonzero(where)
        self._rows, self._columns, self._table = as_read_only(rows * step), as_read_only(columns * step), table

    def lit_share(self, image: Image) -> float:
        """Return the share of these pixels that is lit."""
        count = _count_grey if image.ndim == 2 else _count_rgb
        return int(count(image, self._rows, self._columns, self._table)) / max(1, self._rows.size)


@compiled
def _count_grey(image: Image, rows: PixelIndices, columns: PixelIndices, table: GrayImage) -> int:
    count = 0
    for k in range(rows.size):
        count += table[image[rows[k], columns[k]]]
    return count


@compiled
def _count_rgb(image: Image, rows: PixelIndices, columns: PixelIndices, table: GrayImage) -> int:
    """Count the lit pixels of an RGB image by the BT.601 luma in 14 bits, as in OpenCV."""
    count = 0
    for k in range(rows.size):
        row, column = rows[k], columns[k]
        luma = 4899 * np.int32(image[row, column, 0]) + 9617 * np.int32(image[row, column, 1])
        count += table[(luma + 1868 * np.int32(image[row, column, 2]) + (1 << 13)) >> 14]
    return count
