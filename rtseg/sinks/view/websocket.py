"""Speak the server's side of WebSocket (RFC 6455): the handshake, text frames, and what a client sends."""

import base64
import binascii
import hashlib
from typing import NamedTuple

from rtseg.errors import MessageError

VERSION = "13"
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
_FINAL = 0x80
_TEXT, _CLOSE, _PING, _PONG = 0x1, 0x8, 0x9, 0xA  # opcodes
_DATA = (0x0, 0x1, 0x2)
_MAX_PAYLOAD = 4096  # bytes of a client's frame
GOING_AWAY, PROTOCOL_ERROR = 1001, 1002  # status codes of a close frame


class ClientFrame(NamedTuple):
    """Holds one frame of a client."""

    opcode: int
    payload: bytes


def accept_token(key: str) -> str:
    """Return the Sec-WebSocket-Accept for a client's Sec-WebSocket-Key. Raises MessageError."""
    try:
        is_valid = len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        is_valid = False
    if not is_valid:
        raise MessageError("Sec-WebSocket-Key is no 16 bytes in base64: use a WebSocket client")
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID.encode(), usedforsecurity=False).digest()).decode()


def text_frame(text: bytes) -> bytes:
    """Return a text frame. text: UTF-8."""
    return _frame(_TEXT, text)


def close_frame(status: int) -> bytes:
    """Return a close frame with a status code."""
    return _frame(_CLOSE, status.to_bytes(2, "big"))


class ClientFrames:
    """Takes the bytes of a client apart, and says what to answer."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self.is_closed = False

    def answer(self, data: bytes) -> bytes:
        """Return the frames to send for the bytes that came; `is_closed` is true once the client has closed.

        Text and binary frames are passed over. Raises MessageError where the bytes are no WebSocket.
        """
        self._bytes += data
        replies = b""
        while not self.is_closed and (frame := self._take()) is not None:
            if frame.opcode == _CLOSE:
                self.is_closed, replies = True, replies + _frame(_CLOSE, frame.payload[:2])
            elif frame.opcode == _PING:
                replies += _frame(_PONG, frame.payload)
            elif frame.opcode not in (*_DATA, _PONG):
                raise MessageError(f"a client sent a frame of the unknown kind {frame.opcode}: use a WebSocket client")
        return replies

    def _take(self) -> ClientFrame | None:
        """Return the next whole frame, None where more bytes are needed. Raises MessageError."""
        if len(self._bytes) < 2:
            return None
        length, start = self._bytes[1] & 0x7F, 2
        if length >= 126:
            size = 2 if length == 126 else 8
            if len(self._bytes) < 2 + size:
                return None
            length, start = int.from_bytes(self._bytes[2 : 2 + size], "big"), 2 + size
        if length > _MAX_PAYLOAD or not self._bytes[1] & 0x80:
            raise MessageError(f"a client sent {length} bytes, or no mask: send masked frames of at most {_MAX_PAYLOAD} bytes")
        end = start + 4 + length
        if len(self._bytes) < end:
            return None
        mask = self._bytes[start : start + 4]
        payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(self._bytes[start + 4 : end]))
        frame = ClientFrame(self._bytes[0] & 0x0F, payload)
        del self._bytes[:end]
        return frame


def _frame(opcode: int, payload: bytes) -> bytes:
    """Return one final frame without a mask (RFC 6455, 5.2)."""
    length = len(payload)
    if length < 126:
        head = bytes([length])
    elif length < 1 << 16:
        head = bytes([126]) + length.to_bytes(2, "big")
    else:
        head = bytes([127]) + length.to_bytes(8, "big")
    return bytes([_FINAL | opcode]) + head + payload
