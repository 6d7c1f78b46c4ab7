"""Finds zeros in coded pictures where no coder writes them: a lost block of a file, which decoders show as a picture."""

import struct

from rtseg.sources.pixels.jpeg_damage import jpeg_damage

_NAL_CODECS = frozenset({"h264", "hevc"})
# Three are impossible within H.264 and HEVC (7.4.1), and a JPEG's block of 64 values has at most 24 bytes of them.
_ZEROS = bytes(32)
_SEQUENTIAL, _SCAN, _TABLES = (0xC0, 0xC1), 0xDA, 0xC4  # markers of a JPEG
_OTHER_FRAMES = frozenset({*range(0xC2, 0xD0)}) - {_TABLES, 0xC8, 0xCC}
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length
_LUMA, _END_OF_BLOCK = 0x10, 0  # a table's class and number; a symbol


def has_zeroed_part(coded: bytes, codec: str, setup: bytes = b"") -> bool:
    """Return whether a part of a coded picture was overwritten by zeros, or a JPEG is damaged in another way.

    codec: FFmpeg's name; of others than H.264, HEVC and JPEG nothing is known. setup: the codec's extradata. Of H.264 and HEVC
    with start codes nothing is known either, since some recorders write zeros of their own between the units.
    """
    if codec == "mjpeg":
        return has_zeroed_jpeg(coded) or bool(jpeg_damage(coded))
    if _ZEROS not in coded:
        return False
    return codec in _NAL_CODECS and setup[:1] == b"\1"  # units with a length in front


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
