"""Reads the few values of EXIF data, or of a TIFF's first directory, that say how a picture is shown (TIFF 6.0, section 2)."""

import struct
from dataclasses import dataclass

_ORIENTATION, _ACROSS, _DOWN = 274, 282, 283  # tags
_RATIONAL = 5  # a type
_MAX_ENTRIES = 4096


@dataclass(frozen=True, slots=True)
class ExifValues:
    """Holds what EXIF data state."""

    orientation: int = 1
    """How the stored picture is turned and mirrored, from 1 (not at all) to 8."""
    pixel_aspect: float = 1.0
    """Width of a stored pixel over its height."""


def exif_values(exif: bytes | bytearray) -> ExifValues:
    """Return what EXIF data, or a TIFF or BigTIFF, state in their first directory; nothing where they cannot be read."""
    exif = exif.removeprefix(b"Exif\0\0")
    order = "<" if exif.startswith(b"II") else ">"
    is_big = exif[2:4] in (b"+\0", b"\0+")
    try:
        (at,) = struct.unpack_from(order + ("Q" if is_big else "I"), exif, 8 if is_big else 4)
        return _directory(exif, at, order, is_big=is_big)
    except (struct.error, OverflowError):
        return ExifValues()


def _directory(exif: bytes | bytearray, at: int, order: str, *, is_big: bool) -> ExifValues:
    count, entry_bytes, value_at = ("Q", 20, 12) if is_big else ("H", 12, 8)
    (entries,) = struct.unpack_from(order + count, exif, at)
    first, orientation, densities = at + struct.calcsize(order + count), 1, {_ACROSS: 0.0, _DOWN: 0.0}
    for entry in range(first, first + min(entries, _MAX_ENTRIES) * entry_bytes, entry_bytes):
        tag, kind = struct.unpack_from(f"{order}HH", exif, entry)
        place = entry + value_at
        if tag == _ORIENTATION:
            (orientation,) = struct.unpack_from(f"{order}H", exif, place)
        elif tag in densities and kind == _RATIONAL:
            if not is_big:
                (place,) = struct.unpack_from(f"{order}I", exif, place)
            over, under = struct.unpack_from(f"{order}II", exif, place)
            densities[tag] = over / under if under else 0.0
    across, down = densities[_ACROSS], densities[_DOWN]
    return ExifValues(int(orientation), down / across if across > 0 and down > 0 else 1.0)
