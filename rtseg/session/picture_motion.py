"""Estimates by how much a picture moved as a whole from one frame to the next."""

import cv2
import numpy as np

from rtseg.frame import Frame
from rtseg.kernels.network.fit import Box
from rtseg.session.fingerprint import thumbnail

_SIDE = 64  # cells of the thumbnail on each side
_MIN_RESPONSE = 0.15  # of the phase correlation, 0 to 1: below it the pictures do not match, and none moved into the other


class PictureMotion:
    """Holds the thumbnail of the newest frame, with which a later one is compared."""

    def __init__(self) -> None:
        self._before: tuple[Box, cv2.typing.MatLike] | None = None
        self._now: tuple[Box, cv2.typing.MatLike] | None = None
        self._window = cv2.createHanningWindow((_SIDE, _SIDE), cv2.CV_32F)

    def observe(self, frame: Frame, box: Box) -> None:
        """Take the next frame. box: the part of it that shows ultrasound."""
        self._before, self._now = self._now, (box, thumbnail(frame.image, box, (_SIDE, _SIDE)))

    def shift(self) -> tuple[float, float]:
        """Return by how much the picture moved between the last two frames, (rows, columns) in pixels; 0 where unknown."""
        if self._before is None or self._now is None or self._before[0] != self._now[0]:
            return 0.0, 0.0
        before, now = (small.astype(np.float32) for _, small in (self._before, self._now))
        (along, down), response = cv2.phaseCorrelate(before, now, self._window)
        if response < _MIN_RESPONSE:
            return 0.0, 0.0
        _, _, height, width = self._now[0]
        return down * height / _SIDE, along * width / _SIDE
