"""A time stamp in the pixels of a picture: a strip of black and white cells that survives coding, scaling and an overlay.

Neighbouring numbers differ in one cell in a Gray code (F. Gray, US patent 2,632,058, 1953), so that a screen that is caught
while it changes reads as the one or the other, never as a third. Before the cells stand a white and a black one, by which the
strip is found and its levels are told; after them a parity cell.
"""

from dataclasses import dataclass

import numpy as np

from rtseg.frame import Image

BITS = 20
CELLS = 2 + BITS + 1  # white, black, the number from its highest bit on, parity
UNIT_NS = 1_000_000  # the stamp counts milliseconds
WRAP = 1 << BITS  # 17 minutes, after which it begins anew
HEIGHT_SHARE, WIDTH_SHARE = 0.06, 0.6  # of the picture
LEAST_CONTRAST = 80  # grey levels
MOST_TINTED = 110  # grey levels between the channels: a fill of 0.4 over grey makes no more, an opaque contour mostly does


@dataclass(frozen=True, slots=True)
class Strip:
    """Where the cells lie: along a picture's upper edge, from `left` to its right edge; a legend stands on the left of them."""

    left: int
    cell_height: int
    cell_width: int


def strip(height: int, width: int) -> Strip:
    """The strip's place on a picture of (height, width)."""
    cell_height, cell_width = max(8, round(height * HEIGHT_SHARE)), max(4, int(width * WIDTH_SHARE) // CELLS)
    return Strip(width - cell_width * CELLS, cell_height, cell_width)


def stamp(image: Image, now_ns: int) -> Image:
    """A copy of the picture, (H, W) or (H, W, 3), with the time on it."""
    stamped = image.copy()
    place = strip(image.shape[0], image.shape[1])
    row = np.repeat(np.array(_cells(now_ns // UNIT_NS % WRAP), np.uint8) * 255, place.cell_width)
    stamped[: place.cell_height, place.left :] = row if image.ndim == 2 else row[:, None]
    return stamped


def read(image: Image) -> int | None:
    """The milliseconds that stand on the picture, modulo WRAP; None where no whole stamp does."""
    place = strip(image.shape[0], image.shape[1])
    levels = [_middle(image, place, cell) for cell in range(CELLS)]
    white, black = levels[:2]
    if white - black < LEAST_CONTRAST:
        return None
    bits = [int(level > (white + black) / 2) for level in levels[2:]]
    if sum(bits) % 2:
        return None
    return _number(bits[:BITS])


def elapsed_ms(read_at_ns: int, stamped: int) -> float:
    """From the stamp's moment to now, where less than WRAP milliseconds lie between."""
    since = (read_at_ns / UNIT_NS - stamped) % WRAP
    return since - WRAP if since > WRAP - 1 else since  # the stamp's own millisecond is not over


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


def _middle(image: Image, place: Strip, cell: int) -> float:
    """The median of a cell's middle, since coding smears its edges, in its darkest channel, which a mask tints least.

    A contour that crosses the cell says nothing of it, and is left out.
    """
    top, left = place.cell_height // 4, place.left + place.cell_width * cell + place.cell_width // 4
    inner = image[top : top + max(1, place.cell_height // 2), left : left + max(1, place.cell_width // 2)]
    if inner.ndim == 2:
        return float(np.median(inner))
    darkest = inner.min(2)
    seen = darkest[inner.max(2) - darkest <= MOST_TINTED]
    return float(np.median(seen if seen.size else darkest))
