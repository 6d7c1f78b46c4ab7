"""Reads the size of a still image from its header alone: JPEG, PNG, BMP, TIFF, GIF and WebP.

OpenCV returns an image's size only with its pixels, which can be gigabytes for a small file.
"""

import struct
from collections.abc import Callable

_Size = tuple[int, int]  # (height, width)
_FRAME_HEADERS = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}  # JPEG: SOF0-15 and SOF55, without DHT, JPG, DAC
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # JPEG markers without a length
_MAX_SCANS = 100  # JPEG: each covers the whole image again; a progressive one has about ten
_SCAN, _END = 0xDA, 0xD9
_TIFF_TAGS = (256, 257, 322, 323)  # the width and height of the image, and those of its tiles
_TIFF_NUMBERS = {1: "B", 3: "H", 4: "I", 16: "Q"}  # the types that a size may have
_MAX_ENTRIES = 4096


def picture_size(coded: bytes | bytearray | memoryview) -> _Size | None:
    """Return the (height, width) that a picture's header declares, the largest where it has several; None for no picture.

    Time is linear in the bytes read, and none of the pixels is decoded.
    """
    data = memoryview(coded)
    try:
        return next((read(data) for signature, read in _READERS if bytes(data[: len(signature)]) == signature), None)
    except (struct.error, IndexError):
        return None


def _jpeg(data: memoryview) -> _Size | None:
    """Return the largest size of all frame headers before the first scan; None if decoding would take minutes."""
    if data.tobytes().count(b"\xff\xda") > _MAX_SCANS:
        return None
    at, largest = 2, None
    while at < len(data):
        if data[at] != 0xFF:  # bytes between two segments, which libjpeg skips
            at = _next_marker(data, at)
            continue
        at = _after_fill(data, at)
        marker, at = data[at], at + 1
        if marker in (_SCAN, _END):
            return largest
        if marker in _ALONE or marker == 0:
            continue
        (length,) = struct.unpack_from(">H", data, at)
        if marker in _FRAME_HEADERS:
            size = struct.unpack_from(">HH", data, at + 3)
            largest = max(largest or size, size, key=lambda one: one[0] * one[1])
        at += max(2, length)
    return largest


def _next_marker(data: memoryview, at: int) -> int:
    """Return the position of the next 0xFF, or the end."""
    while at < len(data):
        piece = bytes(data[at : at + 4096])
        if (found := piece.find(b"\xff")) >= 0:
            return at + found
        at += len(piece)
    return at


def _after_fill(data: memoryview, at: int) -> int:
    """Return the position of the first byte other than 0xFF; any number may precede a marker. Raises IndexError."""
    while True:
        piece = bytes(data[at : at + 4096])
        if not piece:
            raise IndexError
        if rest := piece.lstrip(b"\xff"):
            return at + len(piece) - len(rest)
        at += len(piece)


def _png(data: memoryview) -> _Size:
    width, height = struct.unpack_from(">II", data, 16)
    return height, width


def _bmp(data: memoryview) -> _Size:
    if struct.unpack_from("<I", data, 14)[0] == 12:  # the header of OS/2
        width, height = struct.unpack_from("<HH", data, 18)
    else:
        width, height = struct.unpack_from("<ii", data, 18)
    return abs(height), abs(width)


def _gif(data: memoryview) -> _Size:
    width, height = struct.unpack_from("<HH", data, 6)
    return height, width


def _webp(data: memoryview) -> _Size | None:
    kind = bytes(data[12:16])
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[27:30], "little"), 1 + int.from_bytes(data[24:27], "little")
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return 1 + (bits >> 14 & 0x3FFF), 1 + (bits & 0x3FFF)
    width, height = struct.unpack_from("<HH", data, 26)
    return (height & 0x3FFF, width & 0x3FFF) if kind == b"VP8 " else None


def _tiff(data: memoryview) -> _Size:
    """Return the size of the first image, which OpenCV decodes, or of its tiles if larger; TIFF and BigTIFF."""
    order = "<" if data[0] == ord("I") else ">"
    big = struct.unpack_from(f"{order}H", data, 2)[0] == 43
    word, count, entry_bytes, value_at = ("Q", "Q", 20, 12) if big else ("I", "H", 12, 8)
    (at,) = struct.unpack_from(order + word, data, 8 if big else 4)
    (entries,) = struct.unpack_from(order + count, data, at)
    first = at + struct.calcsize(order + count)
    found = dict.fromkeys(_TIFF_TAGS, 0)
    for entry in range(first, first + min(entries, _MAX_ENTRIES) * entry_bytes, entry_bytes):
        tag, kind = struct.unpack_from(f"{order}HH", data, entry)
        if tag in found and kind in _TIFF_NUMBERS:
            found[tag] = struct.unpack_from(order + _TIFF_NUMBERS[kind], data, entry + value_at)[0]
    width, height, tile_width, tile_height = found.values()
    return max((height, width), (tile_height, tile_width), key=lambda size: size[0] * size[1])


_READERS: tuple[tuple[bytes, Callable[[memoryview], _Size | None]], ...] = (
    (b"\xff\xd8", _jpeg),
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"BM", _bmp),
    (b"GIF8", _gif),
    (b"RIFF", _webp),
    (b"II*\0", _tiff),
    (b"MM\0*", _tiff),
    (b"II+\0", _tiff),
    (b"MM\0+", _tiff),
)
