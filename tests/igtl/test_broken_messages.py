"""Tests that the codec rejects malformed and contradictory messages."""

import struct

import numpy as np
import pytest
from igtl import peers

from rtseg.errors import MessageError
from rtseg.igtl import read_header, unpack
from rtseg.igtl.header import MAX_BODY_BYTES
from rtseg.igtl.image import read_image
from rtseg.igtl.text import read_status, read_string
from rtseg.igtl.transform import read_transform


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"GET / HTTP/1.1\r\n" + bytes(42), "not with a header of OpenIGTLink"),
        (bytes(58), "not with a header of OpenIGTLink"),
        (peers.header(version=4), "not with a header of OpenIGTLink"),
        (peers.header(kind=b"IMA\x01GE"), "not with a header of OpenIGTLink"),
        (peers.header(size=1 << 32), f"an? IMAGE message announces 4294967296 bytes, and {MAX_BODY_BYTES} are the most"),
        (peers.header(size=(1 << 64) - 1), "announces 18446744073709551615 bytes"),
    ],
)
def test_a_header_that_nobody_sends(header, message):
    with pytest.raises(MessageError, match=message):
        read_header(header)


def content(*, size=(8, 6, 1), scalar=3, endian=2, components=1, begin=(0, 0, 0), part=None, floats=(1.0,) * 12, data=48):
    """Return the content of an IMAGE with the given errors of a sender."""
    fields = (1, components, scalar, endian, 1, *size, *floats, *begin, *(size if part is None else part))
    return struct.pack(">HBBBB3H12f3H3H", *fields) + bytes(data)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (content()[:71], "shorter than its own header"),
        (content(data=47), "has 47 bytes"),
        (content(data=49), "has 49 bytes"),
        (content(data=0), "has 0 bytes"),
        (content(size=(0, 0, 0), data=0), "0 x 0 x 0 x 1 pixels"),
        (content(components=0), "pixels of 1 bytes has 48 bytes"),
        (content(scalar=9), "unknown type 9"),
        (content(scalar=5, endian=0, data=96), "byte order 0"),
        (content(begin=(1, 0, 0)), "holds a part"),
        (content(part=(4, 6, 1)), "holds a part"),
        (content(size=(4, 6, 2)), "has 2 slices"),
        (content(size=(65535, 65535, 65535)), "has 48 bytes"),
        (content(floats=(np.nan,) * 12), "a place that is no number"),
        (content(floats=(np.inf,) * 12), "a place that is no number"),
    ],
)
def test_an_image_that_is_none(wrong, message):
    with pytest.raises(MessageError, match=message):
        read_image(wrong)


@pytest.mark.parametrize(
    ("read", "wrong", "message"),
    [
        (read_transform, bytes(47), "47 bytes instead of 48"),
        (read_transform, struct.pack(">12f", *(np.nan,) * 12), "no number"),
        (read_string, b"\0", "fewer than its own header"),
        (read_string, b"\0\3\0\5abc", "announces 5 bytes and has 3"),
        (read_status, bytes(29), "fewer than its own header"),
    ],
)
def test_a_content_that_is_too_short(read, wrong, message):
    with pytest.raises(MessageError, match=message):
        read(wrong)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (bytes(11), "extended header alone takes 12"),
        (struct.pack(">HHII", 11, 0, 0, 0), "larger than itself"),
        (struct.pack(">HHII", 13, 0, 0, 0), "larger than itself"),
        (struct.pack(">HHII", 12, 0, 1 << 31, 0), "larger than itself"),
        (struct.pack(">HHIIH", 12, 2, 0, 0, 9), "announce 9 entries"),
        (struct.pack(">HHIIHHHI", 12, 10, 2, 0, 1, 1, 3, 2) + b"ab", "longer than they say"),
    ],
)
def test_metadata_that_lie(body, message):
    with pytest.raises(MessageError, match=message):
        unpack(read_header(peers.header(version=2, size=len(body))), memoryview(body))
