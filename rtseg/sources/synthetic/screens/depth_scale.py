"""Draw the depth scale beside a picture: ticks, and numbers in centimeters or millimeters."""

from dataclasses import dataclass

import cv2
import numpy as np

from rtseg.frame import Image
from rtseg.sources.synthetic.screens.layout import Color, ScreenLayout
from rtseg.sources.synthetic.screens.lettering import LetterBox, Letterer
from rtseg.sources.synthetic.screens.probe_shape import Area, PlacedShape

_MIN_NUMBER = 10  # pixels: size of the font in which the smallest scanners write numbers


@dataclass(frozen=True, slots=True)
class ScaleMarks:
    """Describes the ticks of a scale."""

    step_mm: float
    """Distance of two ticks."""
    labelled: int
    """Every so many ticks have a number; 0: none has."""
    unit_mm: float
    """Millimeters of the number 1."""


def draw_marks(depth_mm: float, rng: np.random.Generator) -> ScaleMarks:
    """Return the marks that suit a depth."""
    if rng.random() < 0.06:
        return ScaleMarks(10.0 if depth_mm > 40 else 5.0, 0, 10.0)
    if depth_mm < 40:
        return ScaleMarks(5.0, int(rng.choice([1, 2])), float(rng.choice([10.0, 10.0, 1.0])))
    if depth_mm < 110:
        step = float(rng.choice([5.0, 10.0]))
        return ScaleMarks(step, int(rng.choice([1, 2] if step == 10 else [2, 4])), float(rng.choice([10.0, 10.0, 1.0])))
    return ScaleMarks(10.0, int(rng.choice([2, 5])), float(rng.choice([10.0, 10.0, 1.0])))


def scale_room(layout: ScreenLayout, letterer: Letterer) -> int:
    """Return the width in pixels that the ticks and numbers of a scale take beside a picture."""
    if not layout.has_numbers:
        return 4 * _tick_size(letterer)
    return letterer.width("20.0", _number_scale(letterer)) + 4 * _tick_size(letterer) + 10


def draw_scale(
    image: Image, placed: PlacedShape, canvas: Area, layout: ScreenLayout, marks: ScaleMarks, letterer: Letterer
) -> list[LetterBox]:
    """Draw the scale; return its numbers. What is drawn later may hide some of them."""
    x = _column(placed, canvas, layout, scale_room(layout, letterer))
    step_px = marks.step_mm / placed.mm_per_pixel * (-1 if placed.is_flipped else 1)
    count = int(placed.shape.depth_mm / marks.step_mm + 1e-6)
    size, scale = _tick_size(letterer), _number_scale(letterer)
    outward = -1 if layout.scale == "left" else 1
    direction = outward if layout.label_side == "out" else -outward
    ink, written = layout.theme.canvas_ink, list[LetterBox]()
    for k in range(count + 1):
        y = placed.top_px + k * step_px
        if not 1 <= y < image.shape[0] - 2:
            continue
        has_label = layout.has_numbers and marks.labelled > 0 and k % marks.labelled == 0 and k > 0
        _draw_tick(
            image,
            (x, round(y)),
            size * (2 if has_label or (not marks.labelled and k % 5 == 0) else 1),
            outward,
            layout.tick_style,
            ink,
        )
        if has_label:
            text = f"{k * marks.step_mm / marks.unit_mm:g}"
            text = f"{float(text):.1f}" if marks.unit_mm == 10 and marks.step_mm * marks.labelled < 10 else text
            width = letterer.width(text, scale)
            left = x + direction * (2 * size + 5) - (width if direction < 0 else 0)
            number = letterer.write(image, text, round(y - 0.5 * letterer.height), left, ink, scale)
            written += [number] if number else []
    if layout.tick_style == "ruler":
        ends = sorted((round(placed.top_px), round(placed.top_px + count * step_px)))
        cv2.line(image, (x, max(0, ends[0])), (x, ends[1]), ink, 1)
    return written


def _tick_size(letterer: Letterer) -> int:
    return max(2, letterer.height // 3)


def _number_scale(letterer: Letterer) -> float:
    """Return the size of the numbers, relative to that of the letters: somewhat smaller, but never too small to be read."""
    return max(0.85, _MIN_NUMBER / letterer.height)


def _column(placed: PlacedShape, canvas: Area, layout: ScreenLayout, room: int) -> int:
    """Return the column of the ticks: the numbers stand between them and the picture, or outside."""
    _, left, _, width = placed.box
    near = 6 if layout.label_side == "out" else room - 2
    far = room - 2 if layout.label_side == "out" else 6
    if layout.is_scale_at_sector:
        return left - near if layout.scale == "left" else left + width - 1 + near
    return canvas[1] + far if layout.scale == "left" else canvas[1] + canvas[3] - 1 - far


def _draw_tick(image: Image, at: tuple[int, int], size: int, outward: int, style: str, ink: Color) -> None:
    x, y = at
    if style == "dot":
        cv2.circle(image, at, 1 if size < 5 else 2, ink, -1)
        return
    cv2.line(image, at, (x + outward * size, y), ink, 1 if image.shape[0] < 1000 else 2)
