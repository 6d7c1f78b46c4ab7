"""Measure what a frame has lost against another of the same scene: to a shadow, lost contact, noise, blur or gain."""

from dataclasses import dataclass

import cv2
import numpy as np

from rtseg.session.fingerprint import Cells, Glance, Where, correlation

_DARKER = 0.75  # of the darkest neighboring cell: motion between frames, speckle and noise darken a cell by less
_BLACK = 1.0  # gray levels: a change below this is no darkening
_LEVEL, _DETAIL = 0.5, 0.1  # gray levels added to both sides of a ratio: an encoder's noise on a black picture
_FEW = 48  # of 768 cells: a correlation of fewer is meaningless
_FLAT = 0.5  # gray levels of standard deviation: a flatter picture shows nothing, as after a lost signal
_AROUND = np.ones((3, 3), np.uint8)  # a cell and its eight neighbors


@dataclass(frozen=True, slots=True)
class Degradation:
    """Compares a frame with a reference; for equal frames the ratios are 1 and the rest is 0."""

    level: float
    """Ratio of the mean brightness."""
    detail: float
    """Ratio of the mean difference between a cell and its neighborhood."""
    darkened: float
    """Share of the cells that became darker than all of their neighborhood was; of the cells bright enough for that."""
    brightened: float
    """Share of all cells that became brighter than all of their neighborhood was."""
    unlikeness: float
    """1 minus the correlation of the two frames."""
    beside: float
    """1 minus the correlation of the cells away from those that darkened or brightened."""


def degradation(now: Glance, before: Glance) -> Degradation:
    """Return how `newest` differs from the earlier frame `before` of the same box."""
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
    """Return 1 minus the correlation of the selected cells; 1 where they are few or flat."""
    found = correlation(here, there, where)
    if found.cells < _FEW or min(found.one, found.other) < _FLAT:
        return 1.0
    return 1 - found.value
