"""Draw letters with Pillow's and matplotlib's fonts, and note the box of each text."""

from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from rtseg.errors import MissingExtra
from rtseg.frame import Image
from rtseg.sources.synthetic.screens.layout import Color

_FAMILIES = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSansMono",
    "",
    "DejaVuSansDisplay",
    "DejaVuSansMono-Bold",
    "DejaVuSerif",
    "",
)


@dataclass(frozen=True, slots=True)
class LetterBox:
    """Holds one text on the screen."""

    box: tuple[int, int, int, int]
    """Top, left, height, width in pixels."""
    string: str
    """The text."""


class Letterer:
    """Draws texts in one font. family: index of the font. boxes: those of the texts so far. Raises MissingExtra."""

    def __init__(self, family: int, height: int) -> None:
        self._family, self.height = _FAMILIES[family % len(_FAMILIES)], max(8, height)
        self.boxes: list[LetterBox] = []

    def width(self, text: str, scale: float = 1.0) -> int:
        """Return the width of a text in pixels."""
        return int(np.ceil(_font(self._for(text), self._size(scale)).getlength(text)))

    def write(self, image: Image, text: str, top: int, left: int, ink: Color, scale: float = 1.0) -> LetterBox | None:
        """Write a text into an RGB image (H, W, 3) and return its box, or None where it does not fit."""
        painted = _paint(text, self._for(text), self._size(scale))
        rows, columns = np.flatnonzero(painted.any(1)), np.flatnonzero(painted.any(0))
        height, width = painted.shape
        if not rows.size or min(top, left) < 0 or top + height > image.shape[0] or left + width > image.shape[1]:
            return None
        part = image[top : top + height, left : left + width]
        share = painted[..., None].astype(np.float32) / 255
        part[:] = (part * (1 - share) + np.array(ink, np.float32) * share).round().astype(np.uint8)
        box = (top + int(rows[0]), left + int(columns[0]), int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1)
        self.boxes.append(found := LetterBox(box, text))
        return found

    def _size(self, scale: float) -> int:
        return max(7, round(self.height * scale))

    def _for(self, text: str) -> str:
        """Return the family for a text: Pillow's own font has Latin letters only."""
        return self._family or ("" if text.isascii() else "DejaVuSans")


@lru_cache(maxsize=64)
def _font(family: str, size: int):  # type: ignore[no-untyped-def]
    try:
        from PIL import ImageFont
    except ImportError:
        raise MissingExtra("a made-up screen", "train") from None
    if not family:
        return ImageFont.load_default(size)
    fonts = find_spec("matplotlib")  # found, not imported: only its files are needed
    if fonts is None or not fonts.origin:
        raise MissingExtra("a made-up screen", "train")
    return ImageFont.truetype(str(Path(fonts.origin).with_name("mpl-data") / "fonts" / "ttf" / f"{family}.ttf"), size)


@lru_cache(maxsize=512)
def _paint(text: str, family: str, size: int) -> Image:
    """Return a text as coverage, 0 to 255, (h, w)."""
    from PIL import Image as Picture
    from PIL import ImageDraw

    font = _font(family, size)
    _, _, right, bottom = font.getbbox(text)
    paper = Picture.new("L", (int(right) + 2, int(bottom) + 2))
    ImageDraw.Draw(paper).text((0, 0), text, fill=255, font=font)
    return np.asarray(paper, np.uint8)
