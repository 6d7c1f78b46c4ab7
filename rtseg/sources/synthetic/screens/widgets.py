"""Draw what surrounds the ultrasound: bars, menus, thumbnails, gray and color bars, logos, traces."""

import cv2
import numpy as np

from rtseg.frame import Image
from rtseg.sources.synthetic.screens import vocabulary
from rtseg.sources.synthetic.screens.layout import Color, ScreenTheme
from rtseg.sources.synthetic.screens.lettering import Letterer
from rtseg.sources.synthetic.screens.moving_tissue import MovingTissue
from rtseg.sources.synthetic.screens.probe_shape import Area, PlacedShape, ProbeKind, draw_shape, place_shape


def fill(image: Image, area: Area, color: Color) -> None:
    """Fill an area of an RGB image."""
    top, left, height, width = area
    image[top : top + height, left : left + width] = color


def draw_title(image: Image, area: Area, theme: ScreenTheme, letterer: Letterer, rng: np.random.Generator) -> None:
    """Draw a title bar: a logo, and texts in one or two lines."""
    top, left, height, width = area
    fill(image, area, theme.panel)
    x = left + int(0.01 * width)
    if rng.random() < 0.5:
        draw_logo(image, (top + height // 8, x, 3 * height // 4, 3 * height // 4), theme, rng)
        x += height
    scale = min(1.0, 0.8 * height / (1.3 * letterer.height))
    line = round(1.3 * letterer.height * scale)
    rows = [top + 2 + row * line for row in range(max(1, int((height - 2) // max(1, line))))][:2]
    texts = vocabulary.header(rng)
    for row, some in zip(rows, (texts[:: len(rows)], texts[1 :: len(rows)]), strict=False):
        place = x
        for text in some:
            letterer.write(image, text, row, place, theme.ink, scale)
            place += letterer.width(text, scale) + int(rng.uniform(0.6, 4) * letterer.height)


def draw_menu(
    image: Image, area: Area, theme: ScreenTheme, letterer: Letterer, rng: np.random.Generator, *, has_buttons: bool
) -> None:
    """Draw a menu of buttons, or of lines of text."""
    top, left, height, width = area
    fill(image, area, theme.panel)
    if has_buttons:
        step = int(rng.uniform(2.2, 4.0) * letterer.height)
        for row, text in enumerate(vocabulary.buttons(rng, max(0, min(20, height // step)))):
            box = (left + 3, top + row * step + 3), (left + width - 4, top + (row + 1) * step - 4)
            shade = tuple(int(c) for c in np.clip(np.array(theme.panel) + rng.integers(-18, 30), 0, 255))
            cv2.rectangle(image, *box, shade, -1)
            cv2.rectangle(image, *box, theme.ink if rng.random() < 0.2 else theme.panel, 1)
            letterer.write(image, text, top + row * step + step // 4, left + 7, theme.ink, 0.9)
        return
    lines = int(rng.uniform(0.3, 0.9) * height / (1.5 * letterer.height))
    write_lines(image, vocabulary.settings(rng, float(rng.uniform(3, 18)), lines), (top + 6, left + 5), theme.ink, letterer)


def write_lines(image: Image, texts: list[str], corner: tuple[int, int], ink: Color, letterer: Letterer) -> None:
    """Write lines of text below one another."""
    for row, text in enumerate(texts):
        letterer.write(image, text, corner[0] + round(1.45 * row * letterer.height), corner[1], ink)


def draw_logo(image: Image, area: Area, theme: ScreenTheme, rng: np.random.Generator) -> None:
    """Draw an invented logo."""
    top, left, height, width = area
    center, radius = (left + width // 2, top + height // 2), max(2, min(height, width) // 2)
    if rng.random() < 0.5:
        cv2.circle(image, center, radius, theme.accent, -1, cv2.LINE_AA)
        cv2.circle(image, center, max(1, radius // 2), theme.panel, max(1, radius // 5), cv2.LINE_AA)
    else:
        cv2.rectangle(image, (left, top), (left + width, top + height), theme.accent, max(1, radius // 4))
        cv2.line(image, (left, top + height), (left + width, top), theme.ink, max(1, radius // 5), cv2.LINE_AA)


def draw_gray_bar(image: Image, area: Area, rng: np.random.Generator) -> None:
    """Draw a gray bar, or a color bar."""
    top, left, height, width = area
    ramp = np.linspace(255, 0, height).astype(np.uint8)[:, None]
    bar = np.asarray(np.repeat(np.repeat(ramp, width, 1)[..., None], 3, 2), np.uint8)
    if rng.random() < 0.4:
        bar = np.asarray(cv2.applyColorMap(bar, int(rng.choice([cv2.COLORMAP_JET, cv2.COLORMAP_HOT])))[..., ::-1], np.uint8)
    image[top : top + height, left : left + width] = bar
    cv2.rectangle(image, (left, top), (left + width - 1, top + height - 1), (90, 90, 90), 1)


def draw_thumbnails(image: Image, area: Area, theme: ScreenTheme, rng: np.random.Generator) -> None:
    """Draw a strip of small pictures that stand still."""
    top, left, height, width = area
    fill(image, area, theme.ground)
    side = max(24, int(min(height, width) * 0.9))
    across = width > height
    for k in range(max(1, (width if across else height) // (side + 6))):
        box = (top + 3, left + 3 + k * (side + 6), side, side) if across else (top + 3 + k * (side + 6), left + 3, side, side)
        if box[0] + side > top + height or box[1] + side > left + width:
            return
        fill(image, box, (0, 0, 0))
        placed = place_shape(draw_shape(rng.choice(list(ProbeKind)), rng), box, rng)
        paste_tissue(image, placed, MovingTissue(rng, still=True).frame(0))
        cv2.rectangle(
            image, (box[1], box[0]), (box[1] + side - 1, box[0] + side - 1), theme.accent if k == 0 else theme.panel, 1
        )


def paste_tissue(image: Image, placed: PlacedShape, tissue: Image, tint: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> None:
    """Draw tissue (samples, beams) into its place."""
    top, left, height, width = placed.box
    rows, columns = placed.along * np.float32(tissue.shape[0] - 1), placed.across * np.float32(tissue.shape[1] - 1)
    picture = cv2.remap(tissue, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    part = image[top : top + height, left : left + width]
    colored = np.clip(picture[..., None] * np.array(tint, np.float32), 0, 255).astype(np.uint8)
    part[placed.inside] = colored[placed.inside]


class SweepingTrace:
    """Draws a strip that a trace sweeps over: an electrocardiogram, or the spectrum of Doppler."""

    def __init__(self, area: Area, rng: np.random.Generator, color: Color, *, is_spectrum: bool) -> None:
        self._area, self._speed = area, rng.uniform(0.004, 0.02)
        _, _, height, width = area
        beat = (np.arange(2 * width) / width * rng.uniform(2, 6)) % 1
        self._strip = np.zeros((height, 2 * width, 3), np.uint8)
        if is_spectrum:
            self._strip[:] = _spectrum(beat, height, rng)[..., None]
            self._strip[int(0.7 * height)] = color
            return
        curve = 0.6 - 0.45 * np.exp(-(((beat - 0.3) / 0.015) ** 2)) - 0.08 * np.exp(-(((beat - 0.55) / 0.05) ** 2))
        points = np.stack([np.arange(2 * width), curve * height], 1).astype(np.int32)
        cv2.polylines(self._strip, [points], False, color, max(1, height // 60), cv2.LINE_AA)

    def draw(self, image: Image, index: int) -> None:
        """Draw the strip of a frame."""
        top, left, height, width = self._area
        sweeps, share = divmod(self._speed * index + 0.4, 1)
        here = int(share * width)
        part = image[top : top + height, left : left + width]
        new, old = self._strip[:, :width], self._strip[:, width:]
        new, old = (new, old) if int(sweeps) % 2 == 0 else (old, new)
        drawn = np.concatenate([new[:, :here], old[:, here:]], 1)
        drawn[:, here : here + max(2, width // 60)] = 0
        part[drawn.any(2)] = drawn[drawn.any(2)]


def _spectrum(beat: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]", height: int, rng: np.random.Generator) -> Image:
    """Return the spectrum of pulsating flow above a baseline."""
    speed = 0.12 + 0.5 * np.exp(-(((beat - 0.2) / 0.09) ** 2)) + 0.12 * np.exp(-(((beat - 0.5) / 0.15) ** 2))
    rows = (0.7 - np.arange(height)[:, None] / height) / speed[None]
    power = np.where((rows > 0) & (rows < 1), 0.35 + 0.65 * rows, 0.03)
    return np.clip(170 * power * rng.rayleigh(0.8, power.shape), 0, 255).astype(np.uint8)
