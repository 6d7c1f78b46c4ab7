"""What a picture has lost against another of the same scene: to a shadow, lost contact, noise, blur or gain."""

from dataclasses import dataclass

import cv2
import numpy as np

from rtseg.session.fingerprint import Cells, Glance, Where, correlation

_DARKER = 0.75  # of the darkest cell about it: motion from frame to frame, speckle and noise do not go so far
_BLACK = 1.0  # grey levels: black that is blacker tells nothing
_LEVEL, _DETAIL = 0.5, 0.1  # grey levels: a coder's noise on a black picture
_FEW = 48  # of 768 cells: fewer tell of no scene
_FLAT = 0.5  # grey levels of deviation: an even picture shows nothing, as a lost signal's
_AROUND = np.ones((3, 3), np.uint8)  # a cell and those about it


@dataclass(frozen=True, slots=True)
class Degradation:
    """A picture against another: ratios of 1 and shares of 0 where they are alike.

    level, detail: the ratio of the mean brightness, and of how much cells differ from those about them. darkened: of the cells
    that could, the share that became darker than any cell about them was; brightened: of all cells, the reverse. unlikeness: 1
    minus the correlation of the pictures; beside: of what is left where nothing darkened or brightened.
    """

    level: float
    detail: float
    darkened: float
    brightened: float
    unlikeness: float
    beside: float


def degradation(now: Glance, before: Glance) -> Degradation:
    """What `now` has lost that `before` had."""
    here, there = now.smooth, before.smooth
    floor, ceiling = _DARKER * cv2.erode(there, _AROUND) - _BLACK, cv2.dilate(there, _AROUND)
    dark, bright = here < floor, _DARKER * here - _BLACK > ceiling
    rest = cv2.dilate((dark | bright).view(np.uint8), _AROUND) == 0
    everywhere = np.ones_like(rest)
    return Degradation(
        level=(now.level + _LEVEL) / (before.level + _LEVEL),
        detail=(now.detail + _DETAIL) / (before.detail + _DETAIL),
        darkened=np.count_nonzero(dark) / (np.count_nonzero(floor > 0) or 1),
        brightened=np.count_nonzero(bright) / bright.size,
        unlikeness=_unlike(here, there, everywhere),
        beside=_unlike(here, there, rest),
    )


def _unlike(here: Cells, there: Cells, where: Where) -> float:
    """1 minus the correlation; 1 where one of them shows nothing."""
    found = correlation(here, there, where)
    if found.cells < _FEW or min(found.one, found.other) < _FLAT:
        return 1.0
    return 1 - found.value
