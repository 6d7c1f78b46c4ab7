"""Encodes and decodes a whole message: header, content, and from version 2 on an extended header and metadata.

Protocol: openigtlink/OpenIGTLink, Documents/Protocol/v3_proposal.md.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from rtseg.errors import MessageError
from rtseg.igtl.crc import crc64
from rtseg.igtl.header import Header, write_header

_EXTENDED = struct.Struct(">HHII")  # its own size, sizes of the metadata's index and text, the message's number
EXTENDED_BYTES = _EXTENDED.size  # at least
_COUNT, _ENTRY = struct.Struct(">H"), struct.Struct(">HHI")  # a key's size, the value's encoding and size
_ASCII, _UTF8 = 3, 106  # IANA's numbers of character sets

Content: TypeAlias = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Message:
    """Holds one message."""

    type: str  # such as IMAGE
    device: str  # the sender's name for it
    timestamp_ns: int  # since 1970, 0 where there is none
    content: Content  # as its type defines
    metadata: Mapping[str, str] = field(default_factory=dict)  # by name, of version 2 on


def pack(message: Message, *more: Content) -> list[Content]:
    """Return the pieces of the message in the order in which they are sent.

    more: continues the content; large pieces are not copied. The header is of version 1, which every receiver reads, unless
    there are metadata.
    """
    extended, metadata = _pack_metadata(message.metadata) if message.metadata else (b"", b"")
    pieces = [piece for piece in (extended, message.content, *more, metadata) if len(piece)]
    header = Header(
        version=2 if extended else 1,
        type=message.type,
        device=message.device,
        timestamp_ns=message.timestamp_ns,
        body_bytes=sum(map(len, pieces)),
        crc=crc64(*pieces),
    )
    return [write_header(header), *pieces]


def unpack(header: Header, body: memoryview) -> Message:
    """Return the message that `header` announced; its content is a view of `body`. Raises MessageError."""
    content, metadata = body, dict[str, str]()
    if header.version > 1:
        content, metadata = _split(body)
    return Message(header.type, header.device, header.timestamp_ns, content, metadata)


def sizes_around(body: Content) -> tuple[int, int]:
    """Return the bytes before and after the content, as the begin of a body of version 2 or 3 states them.

    Raises struct.error for fewer than `EXTENDED_BYTES`.
    """
    begin, index_bytes, text_bytes, _ = _EXTENDED.unpack_from(body)
    return begin, index_bytes + text_bytes


def matches_checksum(header: Header, body: memoryview) -> bool:
    """Return whether the body has the checksum of the header."""
    return crc64(body) == header.crc


def _pack_metadata(metadata: Mapping[str, str]) -> tuple[bytes, bytes]:
    """Return the extended header and the metadata."""
    pairs = [(key.encode("utf-8", "replace"), value.encode("utf-8", "replace")) for key, value in metadata.items()]
    entries = [_ENTRY.pack(len(key), _ASCII if value.isascii() else _UTF8, len(value)) for key, value in pairs]
    index = _COUNT.pack(len(pairs)) + b"".join(entries)
    text = b"".join(key + value for key, value in pairs)
    return _EXTENDED.pack(_EXTENDED.size, len(index), len(text), 0), index + text


def _split(body: memoryview) -> tuple[memoryview, dict[str, str]]:
    """Return the content between extended header and metadata, and the metadata."""
    if len(body) < _EXTENDED.size:
        raise MessageError(f"it has {len(body)} bytes, and its extended header alone takes {_EXTENDED.size}")
    begin, index_bytes, text_bytes, _ = _EXTENDED.unpack_from(body)
    end = len(body) - index_bytes - text_bytes
    if not _EXTENDED.size <= begin <= end:
        raise MessageError("its extended header and its metadata are larger than itself")
    return body[begin:end], _read_metadata(body[end : end + index_bytes], body[end + index_bytes :])


def _read_metadata(index: memoryview, text: memoryview) -> dict[str, str]:
    metadata, at = dict[str, str](), 0
    count = _COUNT.unpack_from(index)[0] if len(index) >= _COUNT.size else 0
    if len(index) < (_COUNT.size + count * _ENTRY.size if count else 0):
        raise MessageError(f"its metadata announce {count} entries and hold fewer")
    for i in range(count):
        key_bytes, _, value_bytes = _ENTRY.unpack_from(index, _COUNT.size + i * _ENTRY.size)
        if at + key_bytes + value_bytes > len(text):
            raise MessageError("its metadata are longer than they say")
        key, value = text[at : at + key_bytes], text[at + key_bytes : at + key_bytes + value_bytes]
        metadata[decode_text(key)] = decode_text(value)
        at += key_bytes + value_bytes
    return metadata


def decode_text(text: Content) -> str:
    """Return text in ASCII or UTF-8; invalid bytes are replaced by U+FFFD."""
    return bytes(text).decode("utf-8", "replace")
