"""Brings PNG pixels of 16 bits, of which fewer are significant, to 8 bits (PNG 3rd edition, 11.3.2.7: sBIT)."""

from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.frame import Image

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_DEPTH_PLACE, _COLOR_PLACE = 24, 25
_CHANNELS = {0: 1, 2: 3, 4: 1, 6: 3}  # without transparency, by the kind of color
_FEWEST, _MOST = 9, 15  # significant bits that leave a doubt


def significant_bits(coded: bytes | bytearray) -> int:
    """Return how many of 16 bits a PNG states to be significant; 0 where it states none, or has another depth."""
    if not coded.startswith(_SIGNATURE) or len(coded) <= _COLOR_PLACE or coded[_DEPTH_PLACE] != 16:
        return 0
    at = len(_SIGNATURE)
    while at + 8 <= len(coded) and (name := coded[at + 4 : at + 8]) not in (b"IDAT", b"PLTE"):
        if name == b"sBIT":
            bits = max(coded[at + 8 : at + 8 + _CHANNELS.get(coded[_COLOR_PLACE], 0)], default=0)
            return bits if _FEWEST <= bits <= _MOST else 0
        at += 12 + int.from_bytes(coded[at : at + 4], "big")
    return 0


def significant_to_8_bits(pixels: npt.NDArray[Any], bits: int) -> Image:
    """Return pixels of 16 bits in 8. Writers that follow the standard scale values up, others store them as they are."""
    unused = 16 - bits
    upper = pixels >> unused
    is_scaled = np.array_equal(pixels, upper << unused | upper >> (bits - unused)) or not np.any(pixels & (1 << unused) - 1)
    is_scaled = is_scaled or int(pixels.max()) >> bits != 0
    return np.asarray(pixels >> 8 if is_scaled else pixels >> (bits - 8), np.uint8)
