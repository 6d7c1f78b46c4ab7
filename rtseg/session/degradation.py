"""Measure what a frame has lost against another of the same scene: to a shadow, lost contact, noise, blur or gain."""

from dataclasses import dataclass

import cv2
import numpy as np

from rtseg.session.fingerprint import CellMask, Cells, Fingerprint, correlation

_DARKENING_RATIO = 0.75  # of the darkest neighboring cell: motion between frames, speckle and noise darken a cell by less
_BLACK_LEVEL = 1.0  # gray levels: a change below this is no darkening
_LEVEL_FLOOR, _DETAIL_FLOOR = 0.5, 0.1  # gray levels added to both sides of a ratio: an encoder's noise on a black picture
_MIN_CELLS = 48  # of 768 cells: a correlation of fewer is meaningless
_FLAT_DEVIATION = 0.5  # gray levels of standard deviation: a flatter picture shows nothing, as after a lost signal
_NEIGHBORHOOD = np.ones((3, 3), np.uint8)  # a cell and its eight neighbors


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
    dissimilarity: float
    """1 minus the correlation of the two frames."""
    rest_dissimilarity: float
    """1 minus the correlation of the cells away from those that darkened or brightened."""


def measure_degradation(newest: Fingerprint, before: Fingerprint) -> Degradation:
    """Return how `newest` differs from the earlier frame `before` of the same box."""
    current, reference = newest.smooth, before.smooth
    floor, ceiling = _DARKENING_RATIO * cv2.erode(reference, _NEIGHBORHOOD) - _BLACK_LEVEL, cv2.dilate(reference, _NEIGHBORHOOD)
    dark, bright = current < floor, _DARKENING_RATIO * current - _BLACK_LEVEL > ceiling
    rest = cv2.dilate((dark | bright).view(np.uint8), _NEIGHBORHOOD) == 0
    everywhere = np.ones_like(rest)
    return Degradation(
        level=(newest.level + _LEVEL_FLOOR) / (before.level + _LEVEL_FLOOR),
        detail=(newest.detail + _DETAIL_FLOOR) / (before.detail + _DETAIL_FLOOR),
        darkened=np.count_nonzero(dark) / (np.count_nonzero(floor > 0) or 1),
        brightened=np.count_nonzero(bright) / bright.size,
        dissimilarity=_dissimilarity(current, reference, everywhere),
        rest_dissimilarity=_dissimilarity(current, reference, rest),
    )


def _dissimilarity(current: Cells, reference: Cells, where: CellMask) -> float:
    """Return 1 minus the correlation of the selected cells; 1 where they are few or flat."""
    found = correlation(current, reference, where)
    if found.cells < _MIN_CELLS or min(found.first_deviation, found.second_deviation) < _FLAT_DEVIATION:
        return 1.0
    return 1 - found.value
