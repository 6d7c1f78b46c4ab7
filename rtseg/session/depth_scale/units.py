"""Decide whether the numbers of a depth scale are centimeters or millimeters, by the size that the picture would have.

No screen has to say it: 5, 10 and 15 stand beside an abdomen in centimeters and beside a finger in millimeters. The face of a
probe and the depth of a picture leave one of the two, or none is taken.
"""

import numpy as np

from rtseg.session.sector.shape import Sector, clip_polygon

UNITS_MM = (10.0, 1.0)  # millimeters of a number in centimeters, and in millimeters
_MIN_DEPTH_MM, _MAX_DEPTH_MM = 8.0, 330.0  # of a picture
_MAX_FACE_MM = 110.0  # width of a probe's face
_MIN_FACE_MM, _DEEP_MM = 10.0, 60.0  # width of the face of a probe that looks less deep than this
_MAX_WIDTH_MM = 460.0  # of a picture
_FACE_DEPTH = 0.04  # share of the picture's height at which its face is measured


def possible_units(sector: Sector, depth: float, pixels: float, *, is_flipped: bool) -> list[float]:
    """Return the millimeters that 1 may mean. depth: the number at the picture's end. pixels: from 0 to there."""
    face, width = _face_width(sector, is_flipped=is_flipped), sector.box[3]
    found = []
    for unit in UNITS_MM:
        depth_mm, mm_per_pixel = depth * unit, depth * unit / pixels
        is_deep = _MIN_DEPTH_MM <= depth_mm <= _MAX_DEPTH_MM
        fits_face = face * mm_per_pixel <= _MAX_FACE_MM and (depth_mm >= _DEEP_MM or face * mm_per_pixel >= _MIN_FACE_MM)
        if is_deep and fits_face and width * mm_per_pixel <= _MAX_WIDTH_MM:
            found.append(unit)
    return found


def _face_width(sector: Sector, *, is_flipped: bool) -> float:
    """Return the width of a picture near the probe's face, in pixels."""
    top, _, height, _ = sector.box
    outline = np.array(sector.outline)
    depth = _FACE_DEPTH * height
    row, inward = (top + height - 1 - depth, 1.0) if is_flipped else (top + depth, -1.0)
    near = clip_polygon(outline, np.array([0.0, row]), np.array([0.0, inward]))
    return float(np.ptp(near[:, 0])) if len(near) else 0.0
