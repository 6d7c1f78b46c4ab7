"""Read the millimeters per pixel from a screen: ticks at equal distances, and numbers that grow with them.

A scale is believed where at least three numbers lie on one line with their rows, or two and the first tick as 0; where the
ticks divide the step of the numbers into a usual part; where it begins at the probe's face; and where one unit alone gives a
possible picture. Anything else is refused with a reason: a wrong scale is worse than none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np

from rtseg.frame import Image
from rtseg.session.depth_scale.numbers import LineReader, ScaleNumber, read_numbers
from rtseg.session.depth_scale.ticks import TickColumn, find_tick_columns
from rtseg.session.depth_scale.units import possible_units
from rtseg.session.sector.shape import Sector

_MAX_COLUMNS = 24  # columns of ticks whose numbers are read
_MIN_NUMBERS, _ENOUGH_NUMBERS = 2, 3  # fewer than enough must agree with the first tick, which is 0
_ROW_TOLERANCE = 1.5, 0.12  # pixels, and share of a number's height, by which its middle may be off
_STEPS = (0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 2.5, 5.0, 10.0, 20.0)  # usual numbers between two ticks
_STEP_TOLERANCE = 0.03  # relative
_MAX_CONTRADICTIONS = 0.25  # share of the numbers that may be read otherwise than their neighbors say
_FACE_ABOVE, _FACE_BELOW = 0.06, 0.3  # shares of the sector's height by which 0 may stand above and below its edge
_REACH = 3  # pixels beside known ticks in which ticks are looked for again
_AGREEMENT = 0.01  # relative difference of two scales that say the same
_NEARER = 0.5  # a scale belongs to the sector where it is this much nearer than the next one


@dataclass(frozen=True, slots=True)
class DepthScale:
    """Holds what a depth scale says."""

    mm_per_pixel: float
    """Height of a pixel in millimeters."""
    unit_mm: float
    """Millimeters of the number 1."""
    zero_row: float
    """Row of depth 0, in pixels."""
    ticks: TickColumn
    """Its ticks."""
    numbers: tuple[ScaleNumber, ...]
    """The numbers that were read."""


@dataclass(frozen=True, slots=True)
class ScaleRefusal:
    """Says why no scale was read."""

    reason: str
    """The reason, for a sentence."""


@dataclass(frozen=True, slots=True)
class _Line:
    """Holds numbers that grow evenly with their rows."""

    per_pixel: float  # growth of the number from row to row
    zero_row: float
    numbers: tuple[ScaleNumber, ...]


class ScaleReader:
    """Reads depth scales. reader: reads the numbers; None: PP-OCR's recognizer. Raises ModelError, EngineError."""

    def __init__(self, reader: LineReader | None = None) -> None:
        self._reader = reader or _load_recognizer()

    def read(self, picture: Image, sector: Sector, near: TickColumn | None = None) -> DepthScale | ScaleRefusal:
        """Read the scale beside a sector on a screen (H, W) or (H, W, 3), uint8. Raises EngineError.

        near: the ticks are looked for in the columns of these alone.
        """
        gray = picture if picture.ndim == 2 else np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)
        inside = cv2.erode(sector.mask().astype(np.uint8), np.ones((15, 15), np.uint8)) > 0
        if near is not None:  # a known scale is read again: nothing else is looked at
            inside[:, : max(0, near.left - _REACH)] = inside[:, near.right + _REACH + 1 :] = True
        columns = _likely(find_tick_columns(gray, inside), sector)
        scales, reason = list[DepthScale](), "no numbers stand at ticks" if columns else "no column of ticks was found"
        for ticks in columns:
            for numbers in read_numbers(picture, gray, ticks, self._reader):
                found = _scale_of(ticks, numbers, sector)
                if isinstance(found, DepthScale):
                    scales.append(found)
                elif found.reason:
                    reason = found.reason
        return _chosen(scales, sector) if scales else ScaleRefusal(reason)


def _load_recognizer() -> LineReader:
    from rtseg.engines.text_recognition.recognizer import TextRecognizer  # OpenVINO is loaded only where a scale is read

    return TextRecognizer(1)


def _likely(columns: Sequence[TickColumn], sector: Sector) -> list[TickColumn]:
    """Return the columns that stand beside the sector, the longest ones first."""
    top, _, height, _ = sector.box
    beside = [one for one in columns if one.first < top + height and one.last > top and one.last - one.first > 0.2 * height]
    return sorted(beside, key=lambda one: one.first - one.last)[:_MAX_COLUMNS]


def _scale_of(ticks: TickColumn, numbers: Sequence[ScaleNumber], sector: Sector) -> DepthScale | ScaleRefusal:
    """Return what ticks and the numbers on one side of them say together; a refusal without a reason where they are none."""
    if len(numbers) < 2:
        return ScaleRefusal("")
    line = _fit_line(numbers)
    if line is None:
        return ScaleRefusal("the numbers beside the ticks do not grow evenly")
    if _contradictions(line, numbers) > _MAX_CONTRADICTIONS * len(line.numbers):
        return ScaleRefusal("the numbers beside the ticks contradict each other")
    step = abs(line.per_pixel) * ticks.spacing
    usual = min(_STEPS, key=lambda one: abs(one / step - 1))
    if abs(usual / step - 1) > _STEP_TOLERANCE:
        return ScaleRefusal(f"a step of {step:.3g} from tick to tick is not usual")
    offsets = [ticks.offset(number.row) for number in line.numbers]
    if np.ptp(offsets) > 2 * max(_tolerance(number) for number in line.numbers):
        return ScaleRefusal("the numbers do not stand at the ticks")
    zero = ticks.first + round((line.zero_row - ticks.first - float(np.median(offsets))) / ticks.spacing) * ticks.spacing
    if len(line.numbers) < _ENOUGH_NUMBERS and not _begins_at(ticks, zero, line):
        return ScaleRefusal("two numbers do not suffice where the ticks do not begin at 0")
    return _with_unit(ticks, line, zero, usual, sector)


def _begins_at(ticks: TickColumn, zero: float, line: _Line) -> bool:
    """Return whether depth 0 is the first tick that was seen, or the one before it, and the numbers say so exactly."""
    tolerance = max(_tolerance(number) for number in line.numbers) + abs(ticks.offset(line.numbers[0].row))
    is_exact = abs(line.zero_row - zero) <= tolerance
    before = (zero - ticks.last) if line.per_pixel < 0 else (ticks.first - zero)
    return is_exact and round(before / ticks.spacing) in (0, 1)


def _with_unit(ticks: TickColumn, line: _Line, zero: float, step: float, sector: Sector) -> DepthScale | ScaleRefusal:
    top, _, height, _ = sector.box
    is_flipped = line.per_pixel < 0
    near, far = (top + height - 1, top) if is_flipped else (top, top + height - 1)
    below = (zero - near) * (-1 if is_flipped else 1) / height  # share of the sector's height from its edge to depth 0
    if not -_FACE_ABOVE <= below <= _FACE_BELOW:
        return ScaleRefusal("the scale does not begin at the probe's face")
    pixels = abs(far - zero)
    units = possible_units(sector, pixels * step / ticks.spacing, pixels, is_flipped=is_flipped)
    if len(units) != 1:
        return ScaleRefusal("it is not clear whether the numbers are centimeters or millimeters")
    return DepthScale(step * units[0] / ticks.spacing, units[0], zero, ticks, line.numbers)


def _fit_line(numbers: Sequence[ScaleNumber]) -> _Line | None:
    """Return the line through most numbers, at least two of different values."""
    best: list[ScaleNumber] = []
    for one, other in combinations(numbers, 2):
        if one.value == other.value or abs(one.row - other.row) < one.box[2]:
            continue
        rows = (other.row - one.row) / (other.value - one.value)
        fitting = [n for n in numbers if abs(one.row + rows * (n.value - one.value) - n.row) <= _tolerance(n)]
        best = fitting if len(fitting) > len(best) else best
    if len({number.value for number in best}) < _MIN_NUMBERS:
        return None
    per_value, zero = np.polyfit([number.value for number in best], [number.row for number in best], 1)
    return _Line(1 / float(per_value), float(zero), tuple(best))


def _contradictions(line: _Line, numbers: Sequence[ScaleNumber]) -> int:
    """Return how many other numbers stand in the column of the line's."""
    rights = [number.box[1] + number.box[3] for number in line.numbers]
    lefts = [number.box[1] for number in line.numbers]
    others = [number for number in numbers if number not in line.numbers]
    return sum(min(lefts) - 2 <= number.box[1] and number.box[1] + number.box[3] <= max(rights) + 2 for number in others)


def _tolerance(number: ScaleNumber) -> float:
    return max(_ROW_TOLERANCE[0], _ROW_TOLERANCE[1] * number.box[2])


def _chosen(scales: Sequence[DepthScale], sector: Sector) -> DepthScale | ScaleRefusal:
    """Return the scale that all agree on, or the one that stands much nearer to the sector than those that differ."""
    ordered = sorted(scales, key=lambda one: (_distance(one.ticks, sector), -len(one.numbers), -len(one.ticks.rows)))
    best = ordered[0]
    others = [one for one in ordered if abs(one.mm_per_pixel / best.mm_per_pixel - 1) > _AGREEMENT]
    if others and _distance(best.ticks, sector) > _NEARER * _distance(others[0].ticks, sector):
        return ScaleRefusal("two scales say different sizes, and both may belong to the sector")
    return best


def _distance(ticks: TickColumn, sector: Sector) -> float:
    """Return the pixels from the sector's box to a column of ticks, 0 inside."""
    _, left, _, width = sector.box
    return max(0.0, float(left - ticks.right), float(ticks.left - (left + width - 1)))
