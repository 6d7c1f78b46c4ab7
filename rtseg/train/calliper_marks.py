"""Plants callipers and text in training pictures, and removes those that an operator set, so that no network learns them.

An operator sets callipers at the border of a lesion. A network that learns them finds the marks instead of the lesion, and
fails on a live picture, which has none. Marks elsewhere, and borders without marks, take that clue away.
"""

import math

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.train.augment import FloatImage, Rng

_TEXTS = (
    "1",
    "2",
    "A",
    "B",
    "D1",
    "D 12.4mm",
    "x 8.1mm",
    "+ 0.93cm",
    "LEFT",
    "RT BREAST 10H",
    "2.31 cm",
    "GE",
    "L12-5",
    "72",
    "Dist",
)
_FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_PLAIN, cv2.FONT_HERSHEY_DUPLEX)
_REACH = 14  # pixels: distance from the border of a class within which marks are removed
_TOP_HAT = 11  # pixels: side of the largest detail that counts as small
_CONTRAST = 45  # gray levels above the surroundings of an overlaid mark
_MAX_AREA = 130  # pixels: area of the largest mark, with its number
_INPAINT_RADIUS = 3.0


def plant_marks(frames: FloatImage, rng: Rng) -> FloatImage:
    """Return frames (T, H, W) in 0..255 with random callipers and text anywhere; they stand still, as on a screen."""
    overlay = _Overlay((frames.shape[1], frames.shape[2]), rng)
    for _ in range(int(rng.integers(1, 4))):
        (overlay.pair, overlay.around, overlay.single, overlay.text)[int(rng.integers(4))]()
    cover = overlay.cover.astype(np.float32) / 255
    return np.asarray(frames + cover * (np.float32(overlay.level) - frames), np.float32)


def without_marks(image: npt.NDArray[np.uint8], truth: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return an image (H, W) whose small bright details near the border of a class are inpainted (A. Telea, 2004).

    truth: (K, H, W), 0 outside the classes. Bright details of tissue there may go too, which does no harm in training.
    """
    inside = (truth.max(axis=0) > 127).astype(np.uint8)
    if not inside.any():
        return image
    near = cv2.morphologyEx(inside, cv2.MORPH_GRADIENT, _disk(_REACH))
    bright = cv2.morphologyEx(image, cv2.MORPH_TOPHAT, _disk(_TOP_HAT // 2)) > _CONTRAST
    _, parts, numbers, _ = cv2.connectedComponentsWithStats((bright & (near > 0)).astype(np.uint8), connectivity=8)
    small = np.flatnonzero((numbers[:, cv2.CC_STAT_AREA] >= 3) & (numbers[:, cv2.CC_STAT_AREA] <= _MAX_AREA))
    marks = np.isin(parts, small[small > 0]).astype(np.uint8)
    return np.asarray(cv2.inpaint(image, cv2.dilate(marks, _disk(1)), _INPAINT_RADIUS, cv2.INPAINT_TELEA), np.uint8)


def _disk(radius: int) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)), np.uint8)


class _Overlay:
    """Draws marks of one style, as one scanner does: `cover` (H, W) uint8 is the share of a pixel, of 255, that they cover."""

    def __init__(self, size: tuple[int, int], rng: Rng) -> None:
        self.cover, self.level, self._rng = np.zeros(size, np.uint8), float(rng.uniform(110, 255)), rng
        self._kind = int(rng.integers(6))
        self._half = float(rng.uniform(1.5, 0.022 * max(size)))  # pixels: half the side of a mark
        self._width = int(rng.choice((1, 1, 1, 2)))
        self._dotted = rng.random() < 0.3

    def pair(self) -> None:
        """Draw the two callipers of one distance, sometimes with a dotted line between."""
        start, angle, length = self._place(), self._rng.uniform(0, 2 * np.pi), self._rng.uniform(0.05, 0.5)
        offset = length * max(self.cover.shape) * np.array([math.cos(angle), math.sin(angle)])
        self._mark(start)
        self._mark(start + offset)
        if self._dotted:
            self._dots(start, start + offset)

    def around(self) -> None:
        """Draw the four callipers of two distances around nothing."""
        middle, turn = self._place(), self._rng.uniform(-0.5, 0.5)
        axis = np.array([math.cos(turn), math.sin(turn)]) * self._rng.uniform(0.04, 0.25) * max(self.cover.shape)
        across = np.array([-axis[1], axis[0]]) * self._rng.uniform(0.4, 1)
        for end in (axis, -axis, across, -across):
            self._mark(middle + end)
        if self._dotted:
            self._dots(middle - axis, middle + axis)

    def single(self) -> None:
        """Draw one calliper, as while the operator measures."""
        self._mark(self._place())

    def text(self) -> None:
        """Draw a word or a number."""
        place = self._place()
        words = str(self._rng.choice(_TEXTS))
        self._write(words, place, float(self._rng.uniform(0.25, 0.6)))

    def _place(self) -> npt.NDArray[np.float64]:
        return np.asarray(self._rng.uniform(0.02, 0.98, 2) * (self.cover.shape[1], self.cover.shape[0]))

    def _mark(self, place: npt.NDArray[np.float64]) -> None:
        x, y, half = float(place[0]), float(place[1]), self._half
        upright = (((x - half, y), (x + half, y)), ((x, y - half), (x, y + half)))
        slant = (((x - half, y - half), (x + half, y + half)), ((x - half, y + half), (x + half, y - half)))
        lines = {0: upright, 1: upright, 2: slant, 3: upright + slant, 4: upright[:1]}.get(self._kind, ())
        for first, second in lines:
            self._line(first, second)
        if not lines:
            cv2.circle(self.cover, _fixed((x, y)), round(16 * half), 255, self._width, cv2.LINE_AA, 4)
        if self._rng.random() < 0.4:
            self._write(str(self._rng.integers(1, 5)), place + np.array([half + 1, -half]), 0.25)

    def _line(self, first: tuple[float, float], second: tuple[float, float]) -> None:
        cv2.line(self.cover, _fixed(first), _fixed(second), 255, self._width, cv2.LINE_AA, 4)

    def _dots(self, first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> None:
        count = max(2, int(np.hypot(*(second - first)) / self._rng.uniform(3, 7)))
        for share in np.linspace(0, 1, count):
            cv2.circle(self.cover, _fixed(first + share * (second - first)), 8, 255, -1, cv2.LINE_AA, 4)

    def _write(self, words: str, place: npt.NDArray[np.float64], scale: float) -> None:
        font = _FONTS[int(self._rng.integers(len(_FONTS)))]
        corner = round(float(place[0])), round(float(place[1]))
        cv2.putText(self.cover, words, corner, font, scale, 255, 1, cv2.LINE_AA)


def _fixed(place: npt.ArrayLike) -> tuple[int, int]:
    """Return a place (x, y) in sixteenths of a pixel, as OpenCV's drawing takes it with a shift of 4."""
    x, y = np.asarray(place, np.float64)
    return round(16 * float(x)), round(16 * float(y))
