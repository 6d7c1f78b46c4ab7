"""Draws and reads a time stamp in pixels: a strip of black and white cells that survives coding, scaling and an overlay.

Successive numbers differ in one cell of a Gray code (F. Gray, US patent 2,632,058, 1953). A screen captured while it changes
therefore reads as the old or the new number, never as a third. A white and a black reference cell precede the number and a
parity cell follows it.
"""

from dataclasses import dataclass

import numpy as np

from rtseg.frame import Image

BITS = 20
CELLS = 2 + BITS + 1  # white, black, the number from its highest bit on, parity
UNIT_NS = 1_000_000  # the stamp counts milliseconds
WRAP = 1 << BITS  # milliseconds (17 minutes) after which the counter wraps around
HEIGHT_SHARE, WIDTH_SHARE = 0.06, 0.6  # of the picture
MIN_CONTRAST = 80  # gray levels between the reference cells
MAX_TINT = 110  # gray levels between channels: a fill of opacity 0.4 stays below, an opaque contour mostly lies above


@dataclass(frozen=True, slots=True)
class StampStrip:
    """Holds the position of the cells along a picture's upper edge, in pixels; the legend lies to their left."""

    left: int  # first column of the strip, which ends at the right edge
    cell_height: int  # rows of each cell
    cell_width: int  # columns of each cell


def stamp_strip(height: int, width: int) -> StampStrip:
    """Return the strip's position on a picture of (height, width)."""
    cell_height, cell_width = max(8, round(height * HEIGHT_SHARE)), max(4, int(width * WIDTH_SHARE) // CELLS)
    return StampStrip(width - cell_width * CELLS, cell_height, cell_width)


def draw_stamp(image: Image, now_ns: int) -> Image:
    """Return a copy of the picture, (H, W) or (H, W, 3) uint8, with the time stamp on it."""
    stamped = image.copy()
    place = stamp_strip(image.shape[0], image.shape[1])
    row = np.repeat(np.array(_cells(now_ns // UNIT_NS % WRAP), np.uint8) * 255, place.cell_width)
    stamped[: place.cell_height, place.left :] = row if image.ndim == 2 else row[:, None]
    return stamped


def read_stamp(image: Image) -> int | None:
    """Return the stamped milliseconds modulo `WRAP`, or None if the picture has no valid stamp."""
    place = stamp_strip(image.shape[0], image.shape[1])
    levels = [_cell_level(image, place, cell) for cell in range(CELLS)]
    white, black = levels[:2]
    if white - black < MIN_CONTRAST:
        return None
    bits = [int(level > (white + black) / 2) for level in levels[2:]]
    if sum(bits) % 2:
        return None
    return _number(bits[:BITS])


def elapsed_ms(read_at_ns: int, stamped: int) -> float:
    """Return the milliseconds from the stamp to `read_at_ns`; they must be fewer than `WRAP`."""
    since = (read_at_ns / UNIT_NS - stamped) % WRAP
    return since - WRAP if since > WRAP - 1 else since  # read within the stamp's own millisecond


def _cells(number: int) -> list[int]:
    code = number ^ (number >> 1)
    bits = [code >> place & 1 for place in reversed(range(BITS))]
    return [1, 0, *bits, sum(bits) % 2]


def _number(bits: list[int]) -> int:
    number = bit = 0
    for gray in bits:
        bit ^= gray
        number = number << 1 | bit
    return number


def _cell_level(image: Image, place: StampStrip, cell: int) -> float:
    """Return the median level of a cell's center, because coding blurs its edges.

    Of a color picture, the darkest channel counts, because a mask tints it least. Pixels of a contour are ignored.
    """
    top, left = place.cell_height // 4, place.left + place.cell_width * cell + place.cell_width // 4
    inner = image[top : top + max(1, place.cell_height // 2), left : left + max(1, place.cell_width // 2)]
    if inner.ndim == 2:
        return float(np.median(inner))
    darkest = inner.min(2)
    seen = darkest[inner.max(2) - darkest <= MAX_TINT]
    return float(np.median(seen if seen.size else darkest))
