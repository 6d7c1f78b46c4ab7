"""Find the ticks of depth scales: small marks in one column, at equal distances."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.frame import Mask
from rtseg.session.sector.evidence import GrayImage

Rows: TypeAlias = npt.NDArray[np.float64]

_BASE_HEIGHT = 480  # pixels of a frame for which sizes hold that grow with it
_THICKEST = 7  # pixels: more than the thickness of a tick or a dot
_MAX_LENGTH = 0.045  # of the frame's height
_CONTRAST = 24  # gray levels of a tick above or below its ground
_MIN_TICKS = 4
_MIN_SPACING = 5.0  # pixels
_MAX_ANCHORED = 160  # marks in one column: more are not a scale
_TOLERANCE = 1.1  # pixels by which a tick may be off: it is drawn at a whole row
_MIN_FILL, _MAX_MISSES = 0.6, 2  # share of the places of a scale at which a tick is seen, and places in a row without one
_MIN_SPAN = 0.08  # of the frame's height: the length of a scale


@dataclass(frozen=True, slots=True)
class TickColumn:
    """Holds the ticks of one scale, from the top down."""

    left: int
    """First column of the longest tick, in pixels."""
    right: int
    """Last column of the longest tick."""
    rows: tuple[float, ...]
    """Center of each tick that was seen, in pixels."""
    first: float
    """Row of the first tick, by all of them."""
    spacing: float
    """Pixels between two ticks, by all of them."""

    @property
    def last(self) -> float:
        """Return the row of the last tick."""
        return self.rows[-1]

    def offset(self, row: float) -> float:
        """Return how far below its nearest tick a row is, in pixels."""
        return (row - self.first + self.spacing / 2) % self.spacing - self.spacing / 2


@dataclass(frozen=True, slots=True)
class _Marks:
    """Holds the small marks of a picture, arrays of one value each."""

    left: Rows
    right: Rows
    row: Rows
    """Center of gravity of the mark's contrast."""


def find_tick_columns(gray: GrayImage, excluded: Mask) -> list[TickColumn]:
    """Return the columns of ticks in a picture (H, W), most ticks first. excluded: (H, W), where no tick is looked for."""
    marks = _find_marks(gray, excluded)
    width = max(1.0, gray.shape[0] / _BASE_HEIGHT)
    found: dict[tuple[int, int], TickColumn] = {}
    for anchor in (marks.left, marks.right, (marks.left + marks.right) / 2):
        for chosen in _columns(anchor, width):
            for column in _scales(marks, chosen, _MIN_SPAN * gray.shape[0]):
                place = round(column.first), round(column.last)
                if place not in found or len(found[place].rows) < len(column.rows):
                    found[place] = column
    return sorted(found.values(), key=lambda column: -len(column.rows))


def _find_marks(gray: GrayImage, excluded: Mask) -> _Marks:
    """Return the marks that are thin from top to bottom, and short."""
    kernel = np.ones((_THICKEST, 1), np.uint8)
    brighter, darker = (cv2.morphologyEx(gray, way, kernel) for way in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT))
    contrast = np.asarray(cv2.max(brighter, darker), np.uint8)
    ink = ((contrast >= _CONTRAST) & ~excluded).astype(np.uint8)
    count, parts, measured, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    stats, rows = np.asarray(measured, np.float64), np.arange(gray.shape[0], dtype=np.float64)[:, None]
    at, weight = parts.ravel(), (contrast * ink).ravel().astype(np.float64)
    total = np.maximum(np.bincount(at, weight, count), 1)
    center = np.bincount(at, weight * np.broadcast_to(rows, gray.shape).ravel(), count) / total
    wide, high = stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT]
    fits = (wide <= _MAX_LENGTH * gray.shape[0]) & (high <= _THICKEST)
    fits[0] = False
    left = stats[fits, cv2.CC_STAT_LEFT]
    return _Marks(left, left + wide[fits] - 1, center[fits])


def _columns(anchor: Rows, width: float) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the marks, as indices, that share a column to within a pixel of a frame of the base height."""
    for column in np.unique(np.round(anchor)):
        chosen = np.flatnonzero(np.abs(anchor - column) <= width)
        if _MIN_TICKS <= len(chosen) <= _MAX_ANCHORED:
            yield chosen


def _scales(marks: _Marks, chosen: npt.NDArray[np.int64], span: float) -> Iterator[TickColumn]:
    """Yield the series of equally distant marks, `span` pixels long or more, among those of a column."""
    chosen = chosen[np.argsort(marks.row[chosen])]
    for _ in range(2):  # two pictures side by side may have their scales in one column
        series = _longest_series(marks.row[chosen], span)
        if len(series) < _MIN_TICKS:
            return
        ticks, rows = chosen[series], marks.row[chosen[series]]
        steps = np.round((rows - rows[0]) / np.median(np.diff(rows)))
        spacing, first = np.polyfit(steps, rows, 1)
        long = ticks[np.argmax(marks.right[ticks] - marks.left[ticks])]
        yield TickColumn(int(marks.left[long]), int(marks.right[long]), tuple(rows.tolist()), float(first), float(spacing))
        chosen = np.setdiff1d(chosen, ticks, assume_unique=True)
        if len(chosen) < _MIN_TICKS:
            return


def _longest_series(rows: Rows, span: float) -> npt.NDArray[np.int64]:
    """Return the indices of the series of most equally distant rows, which are sorted; of two as long the one without gaps."""
    best, best_score = np.zeros(0, np.int64), 0.0
    for start in range(len(rows) - _MIN_TICKS + 1):
        if len(rows) - start < len(best) or rows[-1] - rows[start] < span:
            break
        for spacing in np.unique(np.round(rows[start + 1 : start + 12] - rows[start], 1)):
            if spacing >= _MIN_SPACING and (rows[-1] - rows[start]) / spacing >= max(_MIN_TICKS, len(best)) - 1.5:
                series, fill = _series(rows, start, float(spacing))
                if len(series) + fill > best_score and rows[series[-1]] - rows[start] >= span:
                    best, best_score = series, len(series) + fill
    return best


def _series(rows: Rows, start: int, spacing: float) -> tuple[npt.NDArray[np.int64], float]:
    """Return the indices of the rows that follow one in steps of a spacing, which is refined on the way, and their fill."""
    found, steps, misses, step = [start], [0], 0, 1
    while misses <= _MAX_MISSES and step < _MAX_ANCHORED:
        place = rows[start] + step * spacing
        right = int(np.searchsorted(rows, place))
        near = min((i for i in (right - 1, right) if i < len(rows)), key=lambda i: abs(rows[i] - place))
        if abs(rows[near] - place) <= _TOLERANCE:
            found.append(near)
            steps.append(step)
            misses = 0
            spacing = (rows[near] - rows[start]) / step
        else:
            misses += 1
        step += 1
    fill = len(found) / (steps[-1] + 1)
    return np.array(found if fill >= _MIN_FILL else [start], np.int64), fill
