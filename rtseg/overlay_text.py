"""Draws lines of text as blocks of pixels, which an overlay puts into a corner of its picture."""

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np

from rtseg.frame import Image

Colour = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)
_FONT, _MIN_SCALE, _SCALE_PER_PIXEL = cv2.FONT_HERSHEY_SIMPLEX, 0.35, 1 / 1100


@dataclass(frozen=True, slots=True)
class TextLine:
    """Holds a line of text to draw."""

    text: str
    colour: Colour = WHITE  # of the text
    swatch: Colour | None = None  # color of a square before the text; None: no square
    large: bool = False  # drawn 1.6 times as large


def text_scale(height: int, width: int) -> float:
    """Return the scale of the text for a picture of this size."""
    return max(_MIN_SCALE, min(height, width) * _SCALE_PER_PIXEL)


def printable(text: str, longest: int) -> str:
    """Return the first characters of a text, with spaces for those that cannot be printed."""
    return "".join(character if character.isprintable() else " " for character in text[:longest])


def wrap_lines(lines: Iterable[TextLine], scale: float, width: int) -> Iterator[TextLine]:
    """Break lines between words where they are wider than the frame."""
    for line in lines:
        columns = _columns_for(line, scale, width)
        texts = [line.text] if len(line.text) <= columns else textwrap.wrap(line.text, columns)
        yield from (replace(line, text=text) for text in texts)


def _columns_for(line: TextLine, scale: float, width: int) -> int:
    """Return the number of characters of the line's average width that fit the frame."""
    (text_width, _), _ = cv2.getTextSize(line.text, _FONT, *_font_of(line, scale))
    return max(1, len(line.text) * (width - line_height(scale)) // max(1, text_width))


def line_height(scale: float) -> int:
    """Return the height of a line in pixels."""
    return len(_render_line(TextLine(""), scale))


def _font_of(line: TextLine, scale: float) -> tuple[float, int]:
    """Return the scale and the thickness of OpenCV's font."""
    size = scale * 1.6 if line.large else scale
    return size, max(1, round(size * 1.2))


@lru_cache(maxsize=64)
def _render_line(line: TextLine, scale: float) -> Image:
    """Draw a line of text on black. The result is cached, since most lines recur; do not write to it."""
    size, thickness = _font_of(line, scale)
    (text_width, _), _ = cv2.getTextSize(line.text, _FONT, size, thickness)
    (_, letter), tail = cv2.getTextSize("H", _FONT, size, thickness)  # H gives every line the same height
    gap = letter // 4 + 1
    start = gap + (letter + gap if line.swatch else 0)
    row = np.zeros((letter + tail + 2 * gap, start + text_width + gap, 3), np.uint8)
    if line.swatch:
        row[gap : gap + letter, gap : gap + letter] = line.swatch
    cv2.putText(row, line.text, (start, gap + letter), _FONT, size, line.colour, thickness, cv2.LINE_AA)
    return row


def stack_lines(lines: Iterable[TextLine], scale: float) -> Image:
    """Stack lines below one another."""
    rows = [_render_line(line, scale) for line in lines]
    block = np.zeros((sum(map(len, rows)), max((row.shape[1] for row in rows), default=0), 3), np.uint8)
    top = 0
    for row in rows:
        block[top : top + len(row), : row.shape[1]] = row
        top += len(row)
    return block


def paste(picture: Image, block: Image) -> None:
    """Draw text over a darkened top left corner, so that it is legible on any image, and the image stays visible."""
    corner = picture[: block.shape[0], : block.shape[1]]
    np.right_shift(corner, 2, out=corner)
    np.maximum(corner, block[: corner.shape[0], : corner.shape[1]], out=corner)
