"""Reads the bytes of network streams in front of FFmpeg's demuxers, so that lost and doubled ones can be told."""

import socket
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

from av import Packet
from av.container import InputContainer
from av.error import ExitError

from rtseg.sources.live.http_request import HttpStream

DATA_FORMAT = "data"  # FFmpeg's demuxer that returns the bytes as they come
DATA_OPTIONS = {"raw_packet_size": str(1 << 15)}  # as many as FFmpeg reads at once
_CHUNK_BYTES = 1 << 15


class ByteStream(Protocol):
    """Gives the bytes of a stream. A read blocks until some are there, and raises OSError where none come in time."""

    def read(self, size: int) -> bytes:
        """Return some bytes, none at the end."""

    def close(self) -> None:
        """Free the connection."""


class ProtocolBytes:
    """Reads a stream through one of FFmpeg's protocols.

    open_data: connects, with `DATA_FORMAT` and time-outs. open_s: until the first bytes; a silent address is opened again until
    then, since the time-out of a read is shorter. Raises OSError, FFmpegError.
    """

    def __init__(self, open_data: Callable[[], InputContainer], open_s: float = 0.0) -> None:
        self._open_data, self._deadline_s = open_data, monotonic() + open_s
        self._container = open_data()
        self._pieces = self._container.demux()

    def read(self, size: int) -> bytes:  # noqa: ARG002  a piece is never larger
        """Return the next bytes, none at the end."""
        while True:
            try:
                found = next((bytes(piece) for piece in cast("Iterator[Packet[Any]]", self._pieces) if piece.size), b"")
            except ExitError:
                if monotonic() > self._deadline_s:
                    raise
                self._container.close()
                self._container = self._open_data()
                self._pieces = self._container.demux()
            else:
                self._deadline_s = 0.0
                return found

    def close(self) -> None:
        """Close the connection."""
        self._container.close()


class SocketBytes:
    """Reads a TCP connection. open_s: until its first bytes, in seconds; read_s: between two pieces. Raises OSError."""

    def __init__(self, address: str, open_s: float, read_s: float) -> None:
        parts = urlsplit(address)
        self._read_s = read_s
        self._socket = socket.create_connection((parts.hostname or "", parts.port or 0), open_s)

    def read(self, size: int) -> bytes:
        """Return the next bytes, at times more than `size`, none at the end."""
        data = self._socket.recv(max(size, _CHUNK_BYTES))
        self._socket.settimeout(self._read_s)
        return data

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


class ResponseBytes:
    """Reads a response over HTTP of which the begin was read before. head: that begin. read_s: between two pieces."""

    def __init__(self, response: HttpStream, head: bytes, read_s: float) -> None:
        self._response, self._head, self._read_s = response, head, read_s

    def read(self, size: int) -> bytes:  # noqa: ARG002  the reader holds what it did not ask for
        """Return some bytes, none at the end."""
        head, self._head = self._head, b""
        return head or self._response.read(monotonic() + self._read_s)

    def close(self) -> None:
        """Close the connection."""
        self._response.close()
