"""Remove the halo that a codec leaves around a bright picture: faint specks beside it, which move as the picture does."""

import cv2
import numpy as np

from rtseg.session.sector.evidence import GrayImage

_REACH = 15  # pixels: side of the square whose mean a pixel is compared with; a codec's blocks have 8 or 16


def without_halo(above: GrayImage, share: float) -> GrayImage:
    """Return gray levels (H, W) above the ground, 0 where they are less than `share` of the brightest mean nearby."""
    mean = cv2.blur(above, (_REACH, _REACH))
    nearby = cv2.dilate(mean, np.ones((_REACH, _REACH), np.uint8))
    is_halo = above < cv2.convertScaleAbs(nearby, alpha=share)
    return np.where(is_halo, np.uint8(0), above)
