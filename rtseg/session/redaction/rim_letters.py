"""Select the letters that the outline of a sector cuts: they belong to the screen around it."""

import cv2
import numpy as np

from rtseg.session.sector.evidence import BinaryImage

_MIN_OUTSIDE = 0.15  # share of a line of letters outside the sector from which it belongs to the screen
_REACH = 24  # pixels from the rim, in a frame of 480 lines, up to which such a line is black


def rim_letters(letters: BinaryImage, inside: BinaryImage) -> BinaryImage:
    """Return the letters (H, W), 255 there, of lines that lie partly outside a sector, as far as they are near its rim.

    inside: (H, W), 255 in the sector. Letters over the ultrasound, away from its rim, are not returned.
    """
    count, lines, stats, _ = cv2.connectedComponentsWithStats(letters, connectivity=8)
    outer = np.bincount(lines[inside == 0], minlength=count)
    is_cut = outer >= _MIN_OUTSIDE * stats[:, cv2.CC_STAT_AREA]
    is_cut[0] = False
    reach = 2 * round(_REACH * max(1.0, letters.shape[0] / 480)) + 1
    near = cv2.dilate(np.asarray(cv2.bitwise_not(inside), np.uint8), np.ones((reach, reach), np.uint8))
    return np.where(is_cut[lines] & (near > 0), np.uint8(255), np.uint8(0))
