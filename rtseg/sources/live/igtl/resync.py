"""Finds the next message in a byte stream that is out of step, as after a wrong length."""

import re
import struct

from rtseg.igtl.header import HEADER_BYTES, Header
from rtseg.igtl.image import HEAD_BYTES, pixel_bytes
from rtseg.igtl.message import EXTENDED_BYTES, sizes_around

# A version, and a type whose name is padded with zeros. Types beyond these need not be found: an image comes soon.
_HEADER = re.compile(
    rb"\0[\1-\3](?:IMAGE\0{7}|TRANSFORM\0{3}|STRING\0{6}|STATUS\0{6}|POSITION\0{4}|TDATA\0{7}|POLYDATA\0{4}|SENSOR\0{6})"
)


def find_header(data: bytes | bytearray) -> int | None:
    """Return where a message begins, None where there is no complete header."""
    found = _HEADER.search(data)
    return found.start() if found and found.start() + HEADER_BYTES <= len(data) else None


def stated_bytes(header: Header, begin: memoryview) -> int | None:
    """Return the bytes that the body of an IMAGE should have, by the sizes inside of it; None where it does not say.

    begin: the first `begin_bytes` of the body.
    """
    try:
        before, after = sizes_around(begin) if header.version > 1 else (0, 0)
        pixels = pixel_bytes(begin[before : before + HEAD_BYTES])
    except struct.error:
        return None
    return None if pixels is None else before + HEAD_BYTES + pixels + after


def begin_bytes(header: Header) -> int:
    """Return how many bytes of an IMAGE's body `stated_bytes` needs at least."""
    return min(header.body_bytes, HEAD_BYTES + (EXTENDED_BYTES if header.version > 1 else 0))
