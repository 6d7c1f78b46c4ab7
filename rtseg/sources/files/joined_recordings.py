"""Finds a recording that stands behind another one in the same file, which FFmpeg passes over without a word."""

import struct
from collections.abc import Generator

# A walker yields (position, size) and is sent those bytes, fewer at the end of the stream; for a position past the end it
# is sent the stream's length instead. It returns what is wrong, or "". Positions never decrease.
Answer = bytes | int
Walker = Generator[tuple[int, int], Answer, str]

ANOTHER = "another recording stands behind it in the same file and is not read, or in part: take the two apart"
FLV, ASF = b"FLV\1", bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")  # the begin of a file
_FLV_TAGS = (8, 9, 18)  # sound, pictures, and data
_LONGEST = 1 << 62  # bytes


def walk_flv(_head: bytes) -> Walker:
    """Walk the tags of FLV: a header of 11 bytes, the data, and the tag's length."""
    at = 13
    while isinstance(data := (yield at, 11), bytes) and data:
        if data.startswith(FLV):
            return ANOTHER
        if data[0] not in _FLV_TAGS or len(data) < 11:
            return ""
        at += 15 + int.from_bytes(data[1:4], "big")
    return ""


def walk_asf(_head: bytes) -> Walker:
    """Walk the objects of ASF and WMV: an identifier of 16 bytes and a length, 0 while it is being written."""
    at = 0
    while isinstance(data := (yield at, 24), bytes) and len(data) == 24:
        size = struct.unpack_from("<Q", data, 16)[0]
        if at and data.startswith(ASF):
            return ANOTHER
        if size < 24 or size > _LONGEST:
            return ""
        at += size
    return ""
