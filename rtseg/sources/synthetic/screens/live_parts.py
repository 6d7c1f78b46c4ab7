"""Draw a live picture with its color box, and what the scanner writes over it."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from rtseg.frame import Image, Mask
from rtseg.sources.synthetic.screens import vocabulary
from rtseg.sources.synthetic.screens.layout import ScreenLayout
from rtseg.sources.synthetic.screens.lettering import Letterer
from rtseg.sources.synthetic.screens.moving_tissue import MovingTissue
from rtseg.sources.synthetic.screens.probe_shape import PlacedShape
from rtseg.sources.synthetic.screens.widgets import paste_tissue


@dataclass(frozen=True, slots=True)
class OverlayMarks:
    """Holds what is drawn over a picture: (h, w, 3) pixels, and where they are."""

    pixels: Image
    """Colors."""
    where: Mask
    """The pixels that are drawn."""


class LivePicture:
    """Draws one B-mode picture. has_color: a color box is over it."""

    def __init__(
        self,
        placed: PlacedShape,
        tissue: MovingTissue,
        tint: tuple[float, float, float],
        rng: np.random.Generator,
        *,
        has_color: bool = False,
    ) -> None:
        self.placed, self._tissue, self._tint = placed, tissue, tint
        self.overlay: OverlayMarks | None = None
        self._flow = _ColorBox(placed, rng) if has_color else None

    @property
    def is_still(self) -> bool:
        """Return whether the picture stands still."""
        return self._tissue.is_still

    def draw(self, image: Image, index: int) -> None:
        """Draw the picture of a frame."""
        paste_tissue(image, self.placed, self._tissue.frame(index), self._tint)
        if self._flow:
            self._flow.draw(image, index)
        if self.overlay:
            image[self.overlay.where] = self.overlay.pixels[self.overlay.where]


class _ColorBox:
    """Draws flow in a window of the beams, and the window's frame."""

    def __init__(self, placed: PlacedShape, rng: np.random.Generator) -> None:
        self._box = placed.box
        low, high = sorted(rng.uniform(0.1, 0.9, 2))
        near, far = sorted(rng.uniform(0.15, 0.85, 2))
        across, along = (low, max(high, low + 0.2)), (near, max(far, near + 0.2))
        self._inside = placed.inside & (placed.across > across[0]) & (placed.across < across[1])
        self._inside &= (placed.along > along[0]) & (placed.along < along[1])
        edge = self._inside.astype(np.uint8)
        self._edge = (edge - cv2.erode(edge, np.ones((3, 3), np.uint8))).astype(np.bool_)
        noise, blur = rng.standard_normal(placed.inside.shape).astype(np.float32), max(3.0, placed.box[2] / 25)
        field = np.asarray(cv2.GaussianBlur(noise, (0, 0), blur), np.float32)
        self._field = field / np.float32(max(1e-6, float(field.std())))
        self._phase = rng.uniform(0, 6)

    def draw(self, image: Image, index: int) -> None:
        top, left, height, width = self._box
        part = image[top : top + height, left : left + width]
        limit = 0.7 + 0.5 * math.sin(0.4 * index + self._phase)
        for sign, color in ((1, (220, 60, 20)), (-1, (30, 70, 220))):
            flow = self._inside & (sign * self._field > limit)
            part[flow] = np.clip(np.array(color) * (0.5 + 0.3 * np.abs(self._field[flow]))[:, None], 0, 255).astype(np.uint8)
        part[self._edge] = (200, 200, 190)


def overlay_marks(
    size: tuple[int, ...], placed: PlacedShape, layout: ScreenLayout, letterer: Letterer, rng: np.random.Generator
) -> OverlayMarks | None:
    """Draw notes, callipers and a focus mark over a picture; return them, or None for none."""
    pixels = np.zeros((*size[:2], 3), np.uint8)
    top, left, height, width = placed.box
    if rng.random() < 0.45:
        note = vocabulary.note(rng)
        row, column = top + int(rng.uniform(0.3, 0.85) * height), left + int(rng.uniform(0.3, 0.55) * width)
        letterer.write(pixels, note, row, column, layout.theme.accent if max(layout.theme.accent) > 120 else (240, 240, 90))
    if rng.random() < 0.3:
        ends = [(left + int(rng.uniform(0.35, 0.65) * width), top + int(rng.uniform(0.3, 0.7) * height)) for _ in range(2)]
        for end in ends:
            cv2.drawMarker(pixels, end, (250, 250, 80), cv2.MARKER_CROSS, max(7, letterer.height), 1)
        steps = np.linspace(0, 1, 14)[:, None]
        for x, y in np.round(np.array(ends[0]) * (1 - steps) + np.array(ends[1]) * steps).astype(int):
            pixels[y : y + 1, x : x + 1] = (250, 250, 80)
    where: Mask = np.asarray(pixels.any(2), np.bool_)
    return OverlayMarks(pixels, where) if where.any() else None
