"""Finds zeros in coded pictures where no coder writes them: a lost block of a file, which decoders show as a picture."""

import re
import struct
from collections.abc import Callable, Iterator

from rtseg.sources.pixels.jpeg_damage import jpeg_damage

# Three bytes are impossible within a slice of H.264 and HEVC (7.4.1), as is a start code's worth within MPEG's; they end a unit
# or stand in front of a start code. A JPEG's block of 64 values has at most 24 bytes of them.
_ZEROS = bytes(32)
_THREE = b"\0\0\0"
_WITHIN = re.compile(rb"\0\0\0+[^\0\1]")  # zeros that no start code follows
_START = b"\0\0\1"
# Half a thousand decisions of an arithmetic coder, each on the same side; AV1 may be padded.
_MANY = {"vp8": re.compile(rb"\0{64}"), "vp9": re.compile(rb"\0{64}"), "libdav1d": re.compile(rb"\0{64}\0*[^\0]")}
_SLICES: dict[str, Callable[[int], bool]] = {  # whether a unit with this first byte is a slice
    "h264": lambda header: header & 31 in range(1, 6),
    "hevc": lambda header: header >> 1 & 63 < 32,
    "mpeg1video": lambda header: header in range(1, 0xB0),
    "mpeg2video": lambda header: header in range(1, 0xB0),
    "mpeg4": lambda header: header == 0xB6,
}
_SEQUENTIAL, _SCAN, _TABLES = (0xC0, 0xC1), 0xDA, 0xC4  # markers of a JPEG
_OTHER_FRAMES = frozenset({*range(0xC2, 0xD0)}) - {_TABLES, 0xC8, 0xCC}
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length
_LUMA, _END_OF_BLOCK = 0x10, 0  # a table's class and number; a symbol


def has_zeroed_part(coded: bytes, codec: str, setup: bytes = b"") -> bool:
    """Return whether a part of a coded picture was overwritten by zeros, or a JPEG is damaged in another way.

    codec: FFmpeg's name; of those without a rule nothing is known. setup: the codec's extradata. Zeros behind a slice are no
    damage where start codes separate the units: some recorders write them.
    """
    if codec == "mjpeg":
        return has_zeroed_jpeg(coded) or bool(jpeg_damage(coded))
    if _THREE not in coded:
        return False
    if codec in _MANY:
        return _MANY[codec].search(coded) is not None
    if codec in ("h264", "hevc") and setup[:1] == b"\1":
        return _has_zeroed_unit(coded, codec, setup)
    return codec in _SLICES and any(_SLICES[codec](header) for header in _headers_at_zeros(coded))


def _headers_at_zeros(coded: bytes) -> Iterator[int]:
    """Yield the first byte of each unit behind a start code within which zeros stand."""
    for zeros in _WITHIN.finditer(coded):
        start = coded.rfind(_START, 0, zeros.start() + 1)
        if start >= 0 and start + 3 <= zeros.start():
            yield coded[start + 3]


def _has_zeroed_unit(coded: bytes, codec: str, setup: bytes) -> bool:
    """Return whether zeros stand within a slice, or many behind it, where lengths separate the units."""
    place = 4 if codec == "h264" else 21  # ISO/IEC 14496-15
    at, size_bytes = 0, 1 + (setup[place] & 3 if len(setup) > place else 3)
    while at + size_bytes < len(coded):
        end = at + size_bytes + int.from_bytes(coded[at : at + size_bytes], "big")
        unit = coded[at + size_bytes : end]
        if not unit or (_SLICES[codec](unit[0]) and (_WITHIN.search(unit) or unit.endswith(_ZEROS))):
            return True
        at = end
    return False


def has_zeroed_jpeg(coded: bytes | bytearray) -> bool:
    """Return whether zeros stand in the scan of a sequential JPEG whose tables make them impossible.

    They are possible where the shortest code is that of an empty block, as optimized tables of a black picture may have it.
    """
    if _ZEROS not in coded:
        return False
    at, is_sequential, is_known = 2, False, True
    try:
        while coded[at + 1] != _SCAN:
            marker = coded[at + 1]
            if coded[at] != 0xFF or marker in (0, 0xFF) or marker in _ALONE:
                at += 2 if coded[at] == 0xFF and marker != 0xFF else 1
                continue
            (length,) = struct.unpack_from(">H", coded, at + 2)
            is_sequential = is_sequential or marker in _SEQUENTIAL
            is_known = is_known and marker not in _OTHER_FRAMES
            if marker == _TABLES:
                is_known = is_known and not _may_have_zeros(coded[at + 4 : at + 2 + length])
            at += 2 + max(2, length)
    except (IndexError, struct.error):
        return False
    return is_sequential and is_known and _ZEROS in coded[at : coded.rfind(b"\xff\xd9")]


def _may_have_zeros(tables: bytes | bytearray) -> bool:
    """Return whether the code of zeros alone is that of an empty block in the table of luma; of chroma it often is."""
    at = 0
    while at + 17 < len(tables):
        if tables[at] == _LUMA and tables[at + 17] == _END_OF_BLOCK:
            return True
        at += 17 + sum(tables[at + 1 : at + 17])
    return False
