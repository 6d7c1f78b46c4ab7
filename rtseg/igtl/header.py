"""Encodes and decodes the header of every OpenIGTLink message: 58 bytes, big-endian.

Protocol: openigtlink/OpenIGTLink, Documents/Protocol/header.md and timestamp.md.
"""

import re
import struct
from dataclasses import dataclass

from rtseg.errors import MessageError

HEADER_BYTES = 58
NAME_BYTES = 20  # of a device's name
MAX_BODY_BYTES = 128 << 20  # of a body: a 4K picture of 16-bit RGBA has half of that

_LAYOUT = struct.Struct(">H12s20sIIQQ")
_TYPE = re.compile(rb"[A-Z][A-Za-z0-9_]{0,11}")
_SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Header:
    """Holds a message's header."""

    version: int  # 1; 2 and 3 have metadata
    type: str  # of the message, such as IMAGE
    device: str  # name, at most 20 bytes
    timestamp_ns: int  # since 1970, 0 where there is none
    body_bytes: int  # length of what follows the header
    crc: int  # CRC-64 of what follows the header


def read_header(data: bytes | bytearray | memoryview) -> Header:
    """Return the header in the first 58 bytes. Raises MessageError where they are not one of OpenIGTLink."""
    version, kind, device, seconds, bits, body_bytes, crc = _LAYOUT.unpack_from(data)
    kind = kind.partition(b"\0")[0].rstrip()
    if not 1 <= version <= 3 or not _TYPE.fullmatch(kind):
        raise MessageError(f"it begins with {bytes(data[:14])!r}, and not with a header of OpenIGTLink")
    if body_bytes > MAX_BODY_BYTES:
        raise MessageError(f"a {kind.decode()} message announces {body_bytes} bytes, and {MAX_BODY_BYTES} are the most")
    name = device.partition(b"\0")[0].decode("utf-8", "replace").strip()
    return Header(version, kind.decode(), name, seconds * _SECOND_NS + nanoseconds(bits), body_bytes, crc)


def write_header(header: Header) -> bytes:
    """Return the 58 bytes of a header; a name that is too long is truncated."""
    seconds, rest_ns = divmod(header.timestamp_ns, _SECOND_NS)
    name = header.device.encode("utf-8", "replace")[:NAME_BYTES].decode("utf-8", "ignore").encode()
    stamp = seconds & 0xFFFFFFFF, fraction(rest_ns)
    return _LAYOUT.pack(header.version, header.type.encode(), name, *stamp, header.body_bytes, header.crc)


def _weights() -> list[int]:
    """Return the nanoseconds that each bit of a second's fraction stands for, the highest bit first.

    Halves are rounded up, as in the protocol's own library. So every nanosecond is recovered from its fraction unchanged,
    and is the one that PLUS, 3D Slicer and pyigtl read.
    """
    weights = [_SECOND_NS // 2]
    while len(weights) < 32:
        weights.append((weights[-1] + 1) // 2)
    return weights


_WEIGHTS = _weights()


def nanoseconds(bits: int) -> int:
    """Return a second's 32-bit fraction in nanoseconds."""
    return sum(weight for i, weight in enumerate(_WEIGHTS) if bits >> (31 - i) & 1)


def fraction(rest_ns: int) -> int:
    """Return nanoseconds below a second as a 32-bit fraction."""
    bits = 0
    for weight in _WEIGHTS:
        bit = rest_ns >= weight
        bits, rest_ns = bits << 1 | bit, rest_ns - bit * weight
    return bits
