"""Reads whole OpenIGTLink messages from a socket."""

import select
import socket
import threading
from time import monotonic

from rtseg.errors import MessageError, SourceError
from rtseg.igtl.header import HEADER_BYTES, Header, read_header
from rtseg.sources.live.igtl.address import IgtlAddress

_CHUNK_BYTES = 1 << 16


def connect(address: IgtlAddress) -> "IgtlConnection":
    """Connect to a server. Raises SourceError where it cannot be reached."""
    try:
        connection = socket.create_connection((address.host, address.port), address.timeout_s)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"{address} cannot be reached ({reason}): start its server, and check host and port") from error
    return IgtlConnection(connection, str(address), address.timeout_s)


class IgtlConnection:
    """Reads messages from a connected socket; every read ends `timeout_s` after the last `restart_timeout` at most.

    peer: its name in errors. hint: the end of the error about a silent peer. closed: set once the connection was closed
    here. Each read raises SourceError where the peer closes, is silent, or speaks another protocol.
    """

    def __init__(self, connection: socket.socket, peer: str, timeout_s: float) -> None:
        self._socket, self._peer, self._timeout_s = connection, peer, timeout_s
        self.closed = threading.Event()
        self.restart_timeout()

    def restart_timeout(self) -> None:
        """Restart the time-out, since an image arrived."""
        self._deadline, self.hint = monotonic() + self._timeout_s, ": check that it sends"

    def ready(self, timeout_s: float) -> bool:
        """Return whether there is something to read within `timeout_s`."""
        try:
            return bool(select.select([self._socket], [], [], max(0.0, timeout_s))[0])
        except (OSError, ValueError):
            return False  # it was closed meanwhile

    def header(self) -> Header:
        """Read and return the next message's header."""
        data = bytearray(HEADER_BYTES)
        self._fill(memoryview(data), "between two messages")
        try:
            return read_header(data)
        except MessageError as error:
            raise SourceError(f"{self._peer} is out of step: {error}; check that it is an OpenIGTLink server") from error

    def body(self, header: Header) -> memoryview:
        """Read and return the body that belongs to `header`, in memory of its own."""
        body = memoryview(bytearray(header.body_bytes))
        self._fill(body, f"within a {header.type} message")
        return body

    def skip(self, header: Header) -> None:
        """Read and discard the body that belongs to `header`."""
        piece, left = memoryview(bytearray(min(_CHUNK_BYTES, header.body_bytes))), header.body_bytes
        while left:
            part = piece[: min(left, _CHUNK_BYTES)]
            self._fill(part, f"within a {header.type} message")
            left -= len(part)

    def close(self) -> None:
        """Close the connection from any thread; a read in progress ends."""
        self.closed.set()
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the peer closed it first
        finally:
            self._socket.close()

    def _fill(self, part: memoryview, where: str) -> None:
        """Read until `part` is full."""
        while part:
            count = self._read(part)
            if not count:
                raise SourceError(f"{self._peer} closed the connection {where}: start it again")
            part = part[count:]

    def _read(self, part: memoryview) -> int:
        try:
            self._socket.settimeout(max(1e-3, self._deadline - monotonic()))
            return self._socket.recv_into(part)
        except TimeoutError:
            raise SourceError(f"{self._peer} sent no image for {self._timeout_s:g} s{self.hint}") from None
        except OSError as error:
            raise SourceError(f"{self._peer} broke off ({error.strerror}): check the network between") from error
