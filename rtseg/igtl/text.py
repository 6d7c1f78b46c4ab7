"""Encodes and decodes the contents of STRING and STATUS messages."""

import struct
from dataclasses import dataclass

from rtseg.errors import MessageError
from rtseg.igtl.message import Content, decode_text

MAX_STRING_BYTES = 0xFFFF  # bytes of a STRING
OK = 1

_STRING = struct.Struct(">HH")
_STATUS = struct.Struct(">Hq20s")
_ASCII, _UTF8 = 3, 106


@dataclass(frozen=True, slots=True)
class Status:
    """Holds the state that a device reports."""

    code: int  # 1 is OK
    subcode: int = 0  # as the device defines it
    name: str = ""  # of the state
    text: str = ""  # for people


def read_string(content: Content) -> str:
    """Return the text. Raises MessageError where there is less than announced."""
    if len(content) < _STRING.size:
        raise MessageError(f"a STRING has {len(content)} bytes, fewer than its own header")
    _, length = _STRING.unpack_from(content)
    text = content[_STRING.size : _STRING.size + length]
    if len(text) < length:
        raise MessageError(f"a STRING announces {length} bytes and has {len(text)}")
    return decode_text(text)


def write_string(text: str) -> bytes:
    """Return the content of a message with `text`. Raises MessageError beyond 65535 bytes."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) > MAX_STRING_BYTES:
        raise MessageError(f"a STRING holds at most {MAX_STRING_BYTES} bytes, and this one has {len(encoded)}")
    return _STRING.pack(_ASCII if text.isascii() else _UTF8, len(encoded)) + encoded


def read_status(content: Content) -> Status:
    """Return the status. Raises MessageError where it is too short."""
    if len(content) < _STATUS.size:
        raise MessageError(f"a STATUS has {len(content)} bytes, fewer than its own header")
    code, subcode, name = _STATUS.unpack_from(content)
    text = decode_text(content[_STATUS.size :]).rstrip("\0")
    return Status(code, subcode, name.partition(b"\0")[0].decode("utf-8", "replace"), text)


def write_status(status: Status) -> bytes:
    """Return the content of a message with `status`."""
    return (
        _STATUS.pack(status.code, status.subcode, status.name.encode("utf-8", "replace")[:20])
        + status.text.encode("utf-8", "replace")
        + b"\0"
    )
