"""Compose a screen: a layout, a picture in it, and what is known about both."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rtseg.frame import Image, Mask
from rtseg.sources.synthetic.screens import widgets
from rtseg.sources.synthetic.screens.depth_scale import draw_marks, draw_scale, scale_room
from rtseg.sources.synthetic.screens.layout import ScreenLayout, ScreenMode
from rtseg.sources.synthetic.screens.lettering import LetterBox, Letterer
from rtseg.sources.synthetic.screens.live_parts import LivePicture, overlay_marks
from rtseg.sources.synthetic.screens.moving_tissue import MovingTissue
from rtseg.sources.synthetic.screens.probe_shape import Area, PlacedShape, ProbeKind, draw_shape, place_shape
from rtseg.sources.synthetic.screens.surroundings import draw_corner_texts, draw_surroundings

SIZES = ((480, 640), (480, 720), (768, 1366), (720, 1280), (1080, 1920), (2160, 3840))
_SHARES = (0.16, 0.06, 0.16, 0.3, 0.27, 0.05)
_MIN_NUMBERS, _SHOWN = 2, 0.95  # numbers of a scale that can be read, and share of their boxes that nothing hides
_OVER = 0.3  # share of a text's box on the picture from which it is over it


@dataclass(frozen=True, slots=True)
class MadeScreen:
    """Holds a screen and its truth."""

    layout: ScreenLayout
    """Its layout."""
    size: tuple[int, int]
    """(H, W) of the frames."""
    base: Image
    """(h, w, 3): what stands still, without letterboxing."""
    corner: tuple[int, int]
    """Place of `base` in the frame: top, left."""
    pictures: tuple[LivePicture, ...]
    """What moves, in the order in which it is drawn; the first is the sector."""
    traces: tuple[widgets.SweepingTrace, ...]
    """Strips that a trace sweeps over."""
    texts: tuple[LetterBox, ...]
    """Every text, in the coordinates of `base`."""
    has_scale: bool
    """Whether ticks and at least two numbers beside the sector are shown, not hidden by a picture or another text."""
    is_interlaced: bool
    """Whether odd lines are half a frame later."""
    icon: Area | None
    """An icon that blinks."""

    @property
    def mm_per_pixel(self) -> float:
        """Return the size of a pixel of the sector."""
        return self.pictures[0].placed.mm_per_pixel

    def mask(self) -> Mask:
        """Return the sector's pixels, (H, W)."""
        mask = np.zeros(self.base.shape[:2], np.uint8)
        top, left, height, width = self.pictures[0].placed.box
        mask[top : top + height, left : left + width] = self.pictures[0].placed.inside
        return self._padded(mask) > 0

    def text_boxes(self) -> list[tuple[LetterBox, bool]]:
        """Return each text in the frame's coordinates, and whether it is over the sector."""
        mask, found = self.mask(), []
        for text in self.texts:
            top, left, height, width = text.box
            box = (top + self.corner[0], left + self.corner[1], height, width)
            part = mask[box[0] : box[0] + height, box[1] : box[1] + width]
            found.append((LetterBox(box, text.string), bool(part.size and part.mean() >= _OVER)))
        return found

    def count_shown(self, numbers: Sequence[LetterBox], drawn: Image) -> int:
        """Return how many numbers look on the screen as they were `drawn`, in the coordinates of `base`."""
        shown = (self._drawn(0) == drawn).all(2)
        return sum(
            bool(shown[top : top + height, left : left + width].mean() >= _SHOWN)
            for top, left, height, width in (number.box for number in numbers)
        )

    def frame(self, index: int) -> Image:
        """Return a frame (H, W, 3), uint8."""
        if not self.is_interlaced:
            return self._padded(self._drawn(index))
        woven = self._drawn(2 * index)
        woven[1::2] = self._drawn(2 * index + 1)[1::2]
        return self._padded(woven)

    def _drawn(self, index: int) -> Image:
        image = self.base.copy()
        for picture in self.pictures:
            picture.draw(image, index)
        for trace in self.traces:
            trace.draw(image, index)
        if self.icon and index // 7 % 2 == 0:
            widgets.fill(image, self.icon, self.layout.theme.accent)
        return image

    def _padded(self, inner: Image) -> Image:
        if inner.shape[:2] == self.size:
            return inner
        frame = np.zeros((*self.size, *inner.shape[2:]), inner.dtype)
        top, left = self.corner
        frame[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
        return frame


def make_screen(
    layout: ScreenLayout, seed: int, *, size: tuple[int, int] | None = None, real: Sequence[Image] = ()
) -> MadeScreen:
    """Return the screen of a layout that a seed fills. size: (H, W); None: drawn. real: tissue (samples, beams) to use."""
    rng = np.random.default_rng((layout.number, seed))
    size = size or SIZES[int(rng.choice(len(SIZES), p=_SHARES))]
    inner, corner = _letterbox(size, rng)
    base = np.empty((*inner, 3), np.uint8)
    base[:] = layout.theme.ground
    letterer = Letterer(layout.font, round(layout.letters * inner[0]))
    icon = None
    canvas = (0, 0, *inner) if layout.mode is ScreenMode.ALONE else draw_surroundings(base, layout, letterer, rng)
    if layout.mode is ScreenMode.FROZEN:
        icon = (canvas[0] + canvas[2] - 2 * letterer.height, canvas[1] + 4, letterer.height, letterer.height)
    areas, traces = _divide(canvas, layout, rng)
    pictures = _pictures([_beside_scale(area, layout, letterer) for area in areas], layout, rng, real)
    first, numbers, with_scale = pictures[0], list[LetterBox](), base
    if layout.mode is not ScreenMode.ALONE:
        for picture in pictures:
            marks = draw_marks(picture.placed.shape.depth_mm, rng)
            drawn = draw_scale(base, picture.placed, _area_around(picture.placed, areas), layout, marks, letterer)
            numbers, with_scale = (drawn, base.copy()) if picture is first else (numbers, with_scale)
        draw_corner_texts(base, canvas, [one.placed for one in pictures], layout, letterer, rng)
        first.overlay = overlay_marks(base.shape[:2], first.placed, layout, letterer, rng)
    is_interlaced = size == (1080, 1920) and rng.random() < 0.25
    made = MadeScreen(layout, size, base, corner, tuple(pictures), traces, tuple(letterer.boxes), False, is_interlaced, icon)
    return replace(made, has_scale=made.count_shown(numbers, with_scale) >= _MIN_NUMBERS)


def _letterbox(size: tuple[int, int], rng: np.random.Generator) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the size of the screen inside the frame, and its corner: one in five is 4:3 in a wider frame."""
    height, width = size
    if width / height < 1.5 or rng.random() > 0.2:
        return size, (0, 0)
    inner = height * 4 // 3 // 2 * 2
    return (height, inner), (0, (width - inner) // 2)


def _divide(
    canvas: Area, layout: ScreenLayout, rng: np.random.Generator
) -> tuple[list[Area], tuple[widgets.SweepingTrace, ...]]:
    """Return the areas of the pictures, and the traces."""
    top, left, height, width = canvas
    green = (60, 230, 90)
    if layout.mode is ScreenMode.DUAL:
        half = width // 2
        return [(top, left, height, half - 3), (top, left + half + 3, height, half - 3)], ()
    if layout.mode is ScreenMode.DUPLEX:
        share = rng.uniform(0.42, 0.6)
        if rng.random() < 0.7:
            upper = int(share * height)
            strip = (top + upper + 4, left + 4, height - upper - 8, width - 8)
            return [(top, left, upper, width)], (widgets.SweepingTrace(strip, rng, layout.theme.accent, is_spectrum=True),)
        part = int(share * width)
        strip = (top + height // 5, left + part + 4, height // 2, width - part - 8)
        return [(top, left, height, part)], (widgets.SweepingTrace(strip, rng, layout.theme.accent, is_spectrum=True),)
    if layout.mode is ScreenMode.ECG:
        high = max(16, int(0.12 * height))
        strip = (top + height - high, left, high, width)
        return [(top, left, height - high, width)], (widgets.SweepingTrace(strip, rng, green, is_spectrum=False),)
    return [canvas], ()


def _pictures(areas: list[Area], layout: ScreenLayout, rng: np.random.Generator, real: Sequence[Image]) -> list[LivePicture]:
    """Return the pictures; in a dual view the live one, or the first, is the sector."""
    shape = draw_shape(list(ProbeKind)[int(rng.choice(5, p=[0.25, 0.12, 0.28, 0.2, 0.15]))], rng)
    still = layout.mode is ScreenMode.FROZEN or (layout.mode is ScreenMode.DUPLEX and rng.random() < 0.4)
    cut = float(rng.uniform(0.75, 1.0)) if shape.kind is not ProbeKind.LINEAR and rng.random() < 0.25 else 1.0
    gain = float(rng.uniform(-20, -10)) if layout.mode is ScreenMode.DARK else float(rng.uniform(-10, 10))
    tint = _draw_tint(rng)
    order = rng.permutation(len(areas))
    pictures = []
    for turn, which in enumerate(order):
        picked = real[int(rng.integers(0, len(real)))] if real and rng.random() < 0.6 else None
        stands = still or (turn > 0 and rng.random() < 0.7)
        tissue = MovingTissue(rng, gain, still=stands, real=picked)
        placed = place_shape(shape, _shrunk(areas[which], rng, layout), rng, cut=cut)
        pictures.append(LivePicture(placed, tissue, tint, rng, has_color=layout.mode is ScreenMode.COLOR and turn == 0))
    if len(pictures) == 2 and not pictures[1].is_still:
        pictures.sort(key=lambda one: (-round(one.placed.inside.sum(), -3), one.placed.box[1]))
    return pictures


def _beside_scale(area: Area, layout: ScreenLayout, letterer: Letterer) -> Area:
    """Return the part of an area that its depth scale leaves to the picture."""
    top, left, height, width = area
    room = 0 if layout.mode is ScreenMode.ALONE else min(scale_room(layout, letterer), width // 3)
    return top, left + room * (layout.scale == "left"), height, width - room


def _area_around(placed: PlacedShape, areas: Sequence[Area]) -> Area:
    """Return the area in which a picture was placed."""
    top, left, height, width = placed.box
    y, x = top + height / 2, left + width / 2
    return next(area for area in areas if area[0] <= y < area[0] + area[2] and area[1] <= x < area[1] + area[3])


def _draw_tint(rng: np.random.Generator) -> tuple[float, float, float]:
    """Return the share of red, green and blue: gray in three of four."""
    if rng.random() < 0.75:
        return 1.0, 1.0, 1.0
    return float(rng.uniform(0.7, 1)), float(rng.uniform(0.7, 1)), float(rng.uniform(0.6, 1))


def _shrunk(area: Area, rng: np.random.Generator, layout: ScreenLayout) -> Area:
    """Return an area with a margin, which a picture alone may lack."""
    if layout.mode is ScreenMode.ALONE:
        return area
    top, left, height, width = area
    margin = int(rng.uniform(0.01, 0.06) * min(height, width))
    return top + margin, left + margin, height - 2 * margin, width - 2 * margin
