"""Give the frames of a stream the pixel size of a scanner card, while the screen shows the scale that it was read from."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np

from rtseg.frame import SPACING_FROM_SCALE, Frame, Image
from rtseg.session.depth_scale.reading import DepthScale, ScaleReader, ScaleRefusal
from rtseg.session.depth_scale.ticks import TickColumn
from rtseg.session.sector.evidence import BinaryImage, GrayImage
from rtseg.session.sector.scanner_card import ScannerCard
from rtseg.session.sector.shape import Sector
from rtseg.sources.base import Source, SourceWrapper

_SAME_SIZE, _SAME_ROWS = 0.01, 2.5  # relative difference, and pixels, up to which a scale is that of the card
_CHANGED_LEVELS, _CHANGED_SHARE = (
    40,
    0.2,
)  # gray levels and share of the pixels of a number, or of the ticks, that tell another
_INK_LEVELS = 30  # gray levels by which a mark stands out of its ground
_MIN_PAUSE, _MAX_PAUSE = 4, 64  # frames between two readings, doubled after each in vain


class FrameScaleReader(Protocol):
    """Reads the scale of a picture."""

    def read(self, picture: Image, sector: Sector, near: TickColumn | None = None) -> DepthScale | ScaleRefusal:
        """Read the scale beside a sector. Raises EngineError."""


@dataclass(frozen=True, slots=True)
class _ScaleInk:
    """Holds the marks of a scale as they were when it was read."""

    box: tuple[int, int, int, int]  # top, left, height, width
    gray: GrayImage  # (height, width)
    parts: BinaryImage  # (height, width): 1 on the ink of the ticks, 2 and more on that of each number, 0 elsewhere


class ScaledSource(SourceWrapper):
    """Plays a source whose frames get the size of a pixel from a scanner card.

    The scale is read again on the first frame, and where its marks change, as after a change of depth: while it does not say
    what the card says, frames have no spacing. A frame that states its own spacing keeps it.
    """

    def __init__(self, source: Source, card: ScannerCard, reader: FrameScaleReader | None = None) -> None:
        super().__init__(source)
        self._card, self._reader = card, reader
        self._marks: _ScaleInk | None = None  # of the scale that was read; None: it does not say what the card says
        self._pause, self._frames_to_reading = _MIN_PAUSE, 0

    def __iter__(self) -> Iterator[Frame]:
        for frame in super().__iter__():
            yield self._scaled(frame)

    def _scaled(self, frame: Frame) -> Frame:
        mm = self._card.scale.mm_per_pixel
        has_own = frame.spacing_mm is not None or (frame.origin is not None and frame.origin.spacing_mm is not None)
        if mm is None or has_own or frame.damage or (frame.height, frame.width) != self._card.sector.size:
            return frame
        if not self._is_shown(frame.image):
            return frame
        return replace(frame, spacing_mm=(mm, mm * frame.pixel_aspect), spacing_from=SPACING_FROM_SCALE)

    def _is_shown(self, image: Image) -> bool:
        """Return whether the screen shows the scale of the card."""
        if self._marks is not None and _has_changed(image, self._marks):
            self._marks, self._pause, self._frames_to_reading = None, _MIN_PAUSE, 0
        if self._marks is None:
            self._frames_to_reading -= 1
            if self._frames_to_reading < 0:
                self._marks = self._read(image)
                self._frames_to_reading, self._pause = self._pause, min(2 * self._pause, _MAX_PAUSE)
        return self._marks is not None

    def _read(self, image: Image) -> _ScaleInk | None:
        """Read the scale, and return its marks where it says what the card says."""
        scale = self._card.scale
        if scale.ticks is None or scale.mm_per_pixel is None:
            return None
        left, right, first, spacing, count = scale.ticks
        known = TickColumn(left, right, tuple(first + spacing * k for k in range(count)), first, spacing)
        self._reader = self._reader or ScaleReader()
        found = self._reader.read(image, self._card.sector, known)
        if isinstance(found, ScaleRefusal) or abs(found.mm_per_pixel / scale.mm_per_pixel - 1) > _SAME_SIZE:
            return None
        if abs(known.offset(found.ticks.first)) > _SAME_ROWS:
            return None
        return _marks_of(image, found)


def _marks_of(image: Image, scale: DepthScale) -> _ScaleInk:
    """Return the marks of a scale: what stands out of its ground at the ticks and in the boxes of the numbers."""
    ticks, height = scale.ticks, max(number.box[2] for number in scale.numbers)
    boxes = [(round(row) - 2, ticks.left, 5, ticks.right - ticks.left + 1) for row in ticks.rows]
    boxes += [number.box for number in scale.numbers]
    top, left = max(0, min(box[0] for box in boxes)), max(0, min(box[1] for box in boxes))
    bottom = min(image.shape[0], max(box[0] + box[2] for box in boxes))
    right = min(image.shape[1], max(box[1] + box[3] for box in boxes))
    gray = _gray(image[top:bottom, left:right])
    parts = np.zeros(gray.shape, np.uint8)
    for i, (y, x, tall, wide) in enumerate(boxes):
        part = 1 if i < len(ticks.rows) else 2 + i - len(ticks.rows)
        parts[max(0, y - top) : y - top + tall, max(0, x - left) : x - left + wide] = min(part, 255)
    ground = cv2.medianBlur(gray, min(2 * (2 * height // 2) + 1, 255))
    parts[cv2.absdiff(gray, np.asarray(ground, np.uint8)) < _INK_LEVELS] = 0
    return _ScaleInk((top, left, bottom - top, right - left), gray, parts)


def _has_changed(image: Image, marks: _ScaleInk) -> bool:
    top, left, height, width = marks.box
    now = _gray(image[top : top + height, left : left + width])
    changed = cv2.absdiff(now, marks.gray) >= _CHANGED_LEVELS
    pixels = np.bincount(marks.parts.ravel(), minlength=2)[1:]
    others = np.bincount(marks.parts[changed], minlength=len(pixels) + 1)[1:]
    return bool((others > _CHANGED_SHARE * pixels).any())


def _gray(image: Image) -> GrayImage:
    return np.ascontiguousarray(image) if image.ndim == 2 else np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
