"""Draw what stands around the canvas, and the settings in its corners."""

import numpy as np

from rtseg.frame import Image
from rtseg.sources.synthetic.screens import vocabulary, widgets
from rtseg.sources.synthetic.screens.layout import ScreenLayout
from rtseg.sources.synthetic.screens.lettering import Letterer
from rtseg.sources.synthetic.screens.probe_shape import Area, PlacedShape


def draw_surroundings(base: Image, layout: ScreenLayout, letterer: Letterer, rng: np.random.Generator) -> Area:
    """Draw bars and menus; return the canvas that is left."""
    height, width = base.shape[:2]
    title, bottom = round(layout.title * height), round(layout.bottom * height)
    left, right = round(layout.left * width), round(layout.right * width)
    tall = height - title - bottom
    if title:
        widgets.draw_title(base, (0, 0, title, width), layout.theme, letterer, rng)
    if bottom:
        widgets.draw_title(base, (height - bottom, 0, bottom, width), layout.theme, letterer, rng)
    if left:
        widgets.draw_menu(base, (title, 0, tall, left), layout.theme, letterer, rng, has_buttons=layout.has_buttons)
    if right:
        area = (title, width - right, tall, right)
        widgets.draw_menu(base, area, layout.theme, letterer, rng, has_buttons=not layout.has_buttons or rng.random() < 0.5)
    canvas = [title, left, tall, width - left - right]
    if layout.thumbnails:
        _take_thumbnails(base, canvas, layout, rng)
    widgets.fill(base, (canvas[0], canvas[1], canvas[2], canvas[3]), layout.theme.canvas)
    if layout.has_canvas_frame:
        base[canvas[0], canvas[1] : canvas[1] + canvas[3]] = layout.theme.panel
        base[canvas[0] : canvas[0] + canvas[2], canvas[1]] = layout.theme.panel
    if layout.bar:
        tall, wide = int(canvas[2] * rng.uniform(0.2, 0.45)), max(6, int(0.012 * width))
        column = canvas[1] + 6 if layout.bar == "left" else canvas[1] + canvas[3] - wide - 6
        widgets.draw_gray_bar(base, (canvas[0] + int(0.12 * canvas[2]), column, tall, wide), rng)
        canvas[1], canvas[3] = canvas[1] + (wide + 10) * (layout.bar == "left"), canvas[3] - wide - 10
    return canvas[0], canvas[1], canvas[2], canvas[3]


def _take_thumbnails(base: Image, canvas: list[int], layout: ScreenLayout, rng: np.random.Generator) -> None:
    """Draw the strip of thumbnails, and take its room from the canvas."""
    top, left, height, width = canvas
    side = round(0.13 * min(base.shape[:2]))
    if layout.thumbnails == "bottom":
        widgets.draw_thumbnails(base, (top + height - side, left, side, width), layout.theme, rng)
        canvas[2] -= side
        return
    place = left if layout.thumbnails == "left" else left + width - side
    widgets.draw_thumbnails(base, (top, place, height, side), layout.theme, rng)
    canvas[1], canvas[3] = left + side * (layout.thumbnails == "left"), width - side


def draw_corner_texts(
    base: Image, canvas: Area, placed: list[PlacedShape], layout: ScreenLayout, letterer: Letterer, rng: np.random.Generator
) -> None:
    """Write settings into the canvas's corners, where they do not meet a picture."""
    if not layout.has_corner_text:
        return
    taken = np.zeros(base.shape[:2], np.bool_)
    for one in placed:
        top, left, height, width = one.box
        taken[top : top + height, left : left + width] |= one.inside
    lines = vocabulary.settings(rng, placed[0].shape.depth_mm / 10, int(rng.integers(3, 10)))
    for right in (False, True):
        wide = max(letterer.width(text) for text in lines)
        column = canvas[1] + canvas[3] - wide - 8 if right else canvas[1] + 8
        for row, text in enumerate(lines):
            y = canvas[0] + 8 + round(1.45 * row * letterer.height)
            box = taken[max(0, y - 3) : y + 2 * letterer.height, max(0, column - 4) : column + letterer.width(text) + 4]
            if not box.any() and (base[y : y + letterer.height, max(0, column) : column + wide] == layout.theme.canvas).all():
                letterer.write(base, text, y, column, layout.theme.canvas_ink)
