"""Estimate optical flow between frames by OpenCV's dense inverse search (Kroeger et al., ECCV 2016), and warp by it."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.frame import Image

FlowField = npt.NDArray[np.float32]  # (H, W, 2): offset (x, y) from a pixel of the new image to the same point in the old one
Plane = npt.NDArray[np.float32]  # (H, W)

_MIN_SIDE = 16  # pixels: on smaller images dense inverse search has no room for a patch


class OpticalFlow:
    """Estimates the motion between images (H, W) uint8; precise: use the slower and more accurate preset."""

    def __init__(self, *, precise: bool = False) -> None:
        preset = cv2.DISOPTICAL_FLOW_PRESET_MEDIUM if precise else cv2.DISOPTICAL_FLOW_PRESET_FAST
        self._search: Any = cv2.DISOpticalFlow.create(preset)

    def between(self, before: Image, now: Image) -> FlowField:
        """Return the motion from `before` to `now`, (H, W, 2) float32; zero where the images are too small."""
        if min(now.shape) < _MIN_SIDE:
            return np.zeros((*now.shape, 2), np.float32)
        field: FlowField = self._search.calc(np.ascontiguousarray(now), np.ascontiguousarray(before), None)
        return field


def warp(plane: Plane, field: FlowField) -> Plane:
    """Warp values of the old image (H, W) float32 onto the new one, bilinearly; the edge is repeated."""
    height, width = plane.shape
    x, y = field[..., 0] + np.arange(width, dtype=np.float32), field[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    return np.asarray(cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)
