"""Read the numbers beside a column of ticks."""

import re
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from rtseg.frame import Image
from rtseg.session.depth_scale.ticks import TickColumn
from rtseg.session.sector.evidence import GrayImage

_REACH = 0.1  # of the frame's height: how far beside the ticks numbers are looked for
_STROKE = 0.015  # of the frame's height: wider than a stroke of a letter
_CONTRAST = 36  # gray levels of a stroke
_JOIN = 0.008  # of the frame's height: gap between two digits
_LOWEST, _HIGHEST, _WIDEST = 4, 0.045, 0.09  # pixels, and shares of the frame's height: size of a number
_MARGIN, _PADDING = 0.35, 0.5  # of a number's height, and what its second reading adds at both ends, of the first one's height
_MAX_READ = 40  # numbers on one side of a scale
_CONFIDENT = 0.6  # probability of a character from which a reading counts
_LOOKALIKES = str.maketrans({"O": "0", "o": "0", "l": "1", "I": "1", "|": "1", ",": "."})
_NUMBER = re.compile(r"(\d{1,3}(?:\.\d)?)")


class ReadLine(Protocol):
    """Is a text that was read, with its confidence."""

    @property
    def text(self) -> str:
        """Return the characters."""

    @property
    def confidence(self) -> float:
        """Return the probability of the least probable character."""


class LineReader(Protocol):
    """Reads lines of text."""

    def read(self, line: Image) -> ReadLine:
        """Read one line of text in a picture. Raises EngineError."""


@dataclass(frozen=True, slots=True)
class ScaleNumber:
    """Holds a number that stands beside a scale."""

    value: float
    """The number."""
    row: float
    """Its middle, in pixels."""
    box: tuple[int, int, int, int]
    """Top, left, height, width."""


def read_numbers(picture: Image, gray: GrayImage, ticks: TickColumn, reader: LineReader) -> list[list[ScaleNumber]]:
    """Return the numbers on the left side and on the right side of a column of ticks."""
    reach, gap = round(_REACH * gray.shape[0]), 2
    top = max(0, round(ticks.first - ticks.spacing))
    bottom = min(gray.shape[0], round(ticks.last + ticks.spacing) + 1)
    found = []
    for start, end in ((ticks.left - gap - reach, ticks.left - gap), (ticks.right + gap + 1, ticks.right + gap + 1 + reach)):
        left, right = max(0, start), min(gray.shape[1], end)
        boxes = _boxes(gray[top:bottom, left:right], gray.shape[0]) if right - left > _LOWEST else []
        boxes = [(y + top, x + left, height, width) for y, x, height, width in boxes]
        found.append([number for box in _aligned(boxes, ticks)[:_MAX_READ] if (number := _read(picture, box, reader))])
    return found


def _boxes(gray: GrayImage, frame_height: int) -> list[tuple[int, int, int, int]]:
    """Return the boxes of what may be numbers in a strip: top, left, height, width."""
    side = max(9, 2 * round(_STROKE * frame_height / 2) + 1)
    kernel = np.ones((side, side), np.uint8)
    padded = cv2.copyMakeBorder(gray, side, side, side, side, cv2.BORDER_REPLICATE)
    brighter, darker = (cv2.morphologyEx(padded, way, kernel) for way in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT))
    ink = (np.asarray(cv2.max(brighter, darker), np.uint8)[side:-side, side:-side] >= _CONTRAST).astype(np.uint8)
    join = max(3, 2 * round(_JOIN * frame_height / 2) + 1)
    joined = cv2.dilate(ink, np.ones((1, join), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    boxes = []
    for start, top, wide, height, _ in stats[1:].tolist():
        left, width = start + join // 2, wide - 2 * (join // 2)
        if _LOWEST <= height <= _HIGHEST * frame_height and 1 <= width <= _WIDEST * frame_height:
            boxes.append((top, left, height, width))
    return sorted(boxes)


def _aligned(boxes: list[tuple[int, int, int, int]], ticks: TickColumn) -> list[tuple[int, int, int, int]]:
    """Return the boxes whose middle is near a tick: a number's own height off it at most."""
    return [box for box in boxes if abs(ticks.offset(box[0] + (box[2] - 1) / 2)) <= 0.75 * box[2]]


def _read(picture: Image, box: tuple[int, int, int, int], reader: LineReader) -> ScaleNumber | None:
    top, left, height, width = box
    margin = max(2, round(_MARGIN * height))
    part = picture[max(0, top - margin) : top + height + margin, max(0, left - margin) : left + width + margin]
    wider = cv2.copyMakeBorder(part, 0, 0, *(round(_PADDING * part.shape[0]),) * 2, cv2.BORDER_REPLICATE)
    values = {_number_of(reader.read(np.ascontiguousarray(one))) for one in (part, np.asarray(wider, np.uint8))} - {None}
    if len(values) != 1:  # not a number, or two readings that contradict each other
        return None
    return ScaleNumber(values.pop() or 0.0, top + (height - 1) / 2, box)


def _number_of(line: ReadLine) -> float | None:
    number = _NUMBER.fullmatch(line.text.translate(_LOOKALIKES).replace(" ", ""))
    return float(number.group()) if number and line.confidence >= _CONFIDENT else None
