"""How the picture moved from one frame to the next: dense inverse search (Kroeger et al., ECCV 2016), as in OpenCV."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.frame import Image

Field = npt.NDArray[np.float32]  # (H, W, 2): for each pixel of the new picture, where (x, y) from there it was in the old one
Plane = npt.NDArray[np.float32]  # (H, W)

_LEAST_SIDE = 16  # pixels: on less, dense inverse search has no patch to lay


class Flow:
    """Follows the motion between pictures (H, W) uint8; careful: slower, for measurements."""

    def __init__(self, *, careful: bool = False) -> None:
        preset = cv2.DISOPTICAL_FLOW_PRESET_MEDIUM if careful else cv2.DISOPTICAL_FLOW_PRESET_FAST
        self._search: Any = cv2.DISOpticalFlow.create(preset)

    def between(self, before: Image, now: Image) -> Field:
        """The motion into `now` from `before`; none where the pictures are too small to tell."""
        if min(now.shape) < _LEAST_SIDE:
            return np.zeros((*now.shape, 2), np.float32)
        field: Field = self._search.calc(np.ascontiguousarray(now), np.ascontiguousarray(before), None)
        return field


def carried(plane: Plane, field: Field) -> Plane:
    """What lay on the old picture (H, W), laid on the new one: bilinear, the edge repeated."""
    height, width = plane.shape
    x, y = field[..., 0] + np.arange(width, dtype=np.float32), field[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    return np.asarray(cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)
