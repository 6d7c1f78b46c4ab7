"""Redact what identifies a person: names, dates and numbers around the sector are blacked out."""

from dataclasses import replace

import cv2
import numpy as np

from rtseg.errors import ImageError
from rtseg.frame import Frame, Image
from rtseg.session.sector.shape import Sector, SectorKind
from rtseg.text.log_records import get_logger

_log = get_logger(__name__)


class Redactor:
    """Blacks out the area outside the sector of each frame that is recorded or served.

    Only the surroundings are hidden: text that a scanner writes over the ultrasound itself stays. While the sector is UNKNOWN
    the whole frame is black. exposed: the number of frames passed on unchanged because no sector was found.
    """

    def __init__(self) -> None:
        self.exposed = 0
        self._sector: Sector | None = None
        self._mask: Image | None = None

    def redact(self, frame: Frame, sector: Sector) -> Frame:
        """Return a copy of the frame that is black outside its sector; the frame itself where the sector is all of it.

        Raises ImageError where the sector belongs to a frame of another size.
        """
        if sector.size != (frame.height, frame.width):
            raise ImageError(
                f"the sector of a frame {sector.size} cannot cover {frame.image.shape}: give this frame's own sector"
            )
        if sector.kind is SectorKind.WHOLE:
            self._count_exposed(frame, sector)
            return frame
        cover = self._mask_of(sector, frame.image)
        return replace(frame, image=np.asarray(cv2.bitwise_and(frame.image, cover), np.uint8))

    cover = redact  # the earlier name

    def _count_exposed(self, frame: Frame, sector: Sector) -> None:
        if sector.knowledge != "unknown":
            return
        if not self.exposed:
            _log.warning(
                "no sector was found at frame %d, so that nothing is hidden: names and dates on the screen go out with the "
                "picture; name the sector with --sector TOP,LEFT,HEIGHT,WIDTH, or say --keep-surroundings",
                frame.index,
            )
        self.exposed += 1

    def _mask_of(self, sector: Sector, image: Image) -> Image:
        """Return a mask in the shape of the image, 255 inside the sector and 0 outside; the last one is cached."""
        if self._mask is None or self._sector != sector or self._mask.shape != image.shape:
            inside = sector.mask() & (sector.kind is not SectorKind.UNKNOWN)
            cover = np.where(inside if image.ndim == 2 else inside[..., None], np.uint8(255), np.uint8(0))
            self._sector, self._mask = sector, np.ascontiguousarray(np.broadcast_to(cover, image.shape))
        return self._mask


Guard = Redactor  # the earlier name
