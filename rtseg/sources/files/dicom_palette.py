"""Reads the palettes of DICOM files, plain or segmented (PS3.3, C.7.9 and C.7.6.3.1.5), and looks their colors up."""

import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.frame import Image
from rtseg.sources.files.dicom_header import numbers
from rtseg.sources.pixels.intensity import Pixels

_COLORS = ("Red", "Green", "Blue")
_MOST = 1 << 16  # entries of a table
_DISCRETE, _LINEAR, _INDIRECT = 0, 1, 2  # kinds of segments


class Palette:
    """Holds the colors of a palette. Raises ValueError where it is missing or contradictory."""

    def __init__(self, header: Any, *, is_little_endian: bool) -> None:
        order = "<" if is_little_endian else ">"
        tables = [_table(header, color, order) for color in _COLORS]
        size = min(len(table) for table, _, _ in tables)
        self._first = tables[0][1]
        bits = tables[0][2]
        levels: npt.NDArray[Any] = np.stack([table[:size] for table, _, _ in tables], axis=-1)
        if bits == 16:  # 8-bit entries in words of 16
            levels = levels >> 8 if levels.max() > 255 else levels
        self._colors: Image = np.minimum(levels, 255).astype(np.uint8)

    def apply(self, indices: Pixels) -> Image:
        """Return RGB (H, W, 3) of indices (H, W); those outside the table have its first or last color."""
        at = np.clip(indices.astype(np.int64) - self._first, 0, len(self._colors) - 1)
        return self._colors[at]


def _table(header: Any, color: str, order: str) -> tuple[npt.NDArray[np.uint16], int, int]:
    """Return a color's entries, the index of the first one, and their bits."""
    name = f"{color}PaletteColorLookupTable"
    descriptor = [int(value) for value in numbers(header.get(f"{name}Descriptor"))]
    if len(descriptor) != 3:
        raise ValueError("its palette is missing")
    count, first, bits = descriptor
    count = count % _MOST or _MOST
    plain, segmented = header.get(f"{name}Data"), header.get(f"Segmented{name}Data")
    if plain is None and segmented is None:
        raise ValueError("its palette is missing")
    wide = bits > 8
    if plain is not None:
        data = _bytes(plain, order)
        wide = len(data) >= 2 * count  # what is there counts: tables of 8 bits may have entries of 16
        entries = np.frombuffer(data[: count * (1 + wide)], f"{order}u{1 + wide}").astype(np.uint16)
    else:
        entries = np.array(_expanded(_bytes(segmented, order), order, wide=wide), np.uint16)[:count]
    if not entries.size:
        raise ValueError("its palette is empty")
    return entries, first, 16 if bits > 8 else 8


def _bytes(value: Any, order: str) -> bytes:
    return bytes(value) if isinstance(value, (bytes, bytearray)) else struct.pack(f"{order}{len(value)}H", *map(int, value))


def _expanded(data: bytes, order: str, *, wide: bool) -> list[int]:
    """Return the entries of a segmented table. Raises ValueError where a segment is cut, or the table is too long."""
    words = [int(word) for word in np.frombuffer(data[: len(data) // (1 + wide) * (1 + wide)], f"{order}u{1 + wide}")]
    entries, at = list[int](), 0
    while at + 1 < len(words) and len(entries) < _MOST:
        if words[at] == _INDIRECT:
            count, offset = words[at + 1], _offset(words, at + 2, wide=wide)
            begin = offset // (1 + wide)
            for _ in range(count):
                begin = _segment(words, begin, entries)
                if len(entries) >= _MOST:
                    break
            at += 4 if wide else 6
        else:
            at = _segment(words, at, entries)
    return entries


def _offset(words: list[int], at: int, *, wide: bool) -> int:
    """Return the byte offset of an indirect segment, least significant word first."""
    parts = words[at : at + (2 if wide else 4)]
    if len(parts) < (2 if wide else 4):
        raise ValueError("its segmented palette is cut")
    return sum(part << (16 if wide else 8) * place for place, part in enumerate(parts))


def _segment(words: list[int], at: int, entries: list[int]) -> int:
    """Add a discrete or linear segment's entries, and return the place after it. Raises ValueError."""
    if at + 2 > len(words) or words[at] not in (_DISCRETE, _LINEAR):
        raise ValueError("its segmented palette is damaged")
    kind, count = words[at], words[at + 1]
    if not count:
        raise ValueError("its segmented palette is damaged")  # each segment adds entries, so that their number has a limit
    if kind == _DISCRETE:
        entries += words[at + 2 : at + 2 + count]
        return at + 2 + count
    if not entries or at + 2 >= len(words):
        raise ValueError("its segmented palette is damaged")
    before, last = entries[-1], words[at + 2]
    entries += [before + round((last - before) * step / count) for step in range(1, count + 1)]
    return at + 3
