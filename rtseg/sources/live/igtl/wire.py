"""Reads whole OpenIGTLink messages from a socket."""

import select
import socket
import threading
from collections.abc import Callable
from time import monotonic

from rtseg.errors import MessageError, SourceError
from rtseg.igtl.header import HEADER_BYTES, Header, read_header
from rtseg.sources.live.igtl.address import IgtlAddress
from rtseg.sources.live.igtl.resync import begin_bytes, find_header, stated_bytes

OUT_OF_STEP = "out of step"  # the count of wrong lengths

_CHUNK_BYTES = 1 << 16


def connect(address: IgtlAddress, on_problem: Callable[[str, str], None]) -> "IgtlConnection":
    """Connect to a server. on_problem: as in `IgtlConnection`. Raises SourceError where it cannot be reached."""
    try:
        connection = socket.create_connection((address.host, address.port), address.timeout_s)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"{address} cannot be reached ({reason}): start its server, and check host and port") from error
    return IgtlConnection(connection, str(address), address.timeout_s, on_problem)


class IgtlConnection:
    """Reads messages from a connected socket; every read ends `timeout_s` after the last `restart_timeout` at most.

    After a message whose length is wrong the next header is searched for. on_problem: called with OUT_OF_STEP and the reason
    then. peer: its name in errors. hint: the end of the error about a silent peer. closed: set once the connection was
    closed here. Each read raises SourceError where the peer closes, is silent, or speaks another protocol from the start.
    """

    def __init__(
        self,
        connection: socket.socket,
        peer: str,
        timeout_s: float,
        on_problem: Callable[[str, str], None] = lambda _kind, _reason: None,
    ) -> None:
        self._socket, self._peer, self._timeout_s, self._on_problem = connection, peer, timeout_s, on_problem
        self._pending = bytearray()  # received bytes that were not consumed yet
        self._has_header, self._is_in_step = False, True
        self.closed = threading.Event()
        self.restart_timeout()

    def restart_timeout(self) -> None:
        """Restart the time-out, since an image arrived."""
        self._deadline, self.hint = monotonic() + self._timeout_s, ": check that it sends"

    def ready(self, timeout_s: float) -> bool:
        """Return whether there is something to read within `timeout_s`."""
        if self._pending:
            return True
        try:
            return bool(select.select([self._socket], [], [], max(0.0, timeout_s))[0])
        except (OSError, ValueError):
            return False  # it was closed meanwhile

    def header(self) -> Header:
        """Read and return the next message's header."""
        while True:
            if not self._is_in_step:
                self._search_header()
            data = bytearray(HEADER_BYTES)
            self._fill(memoryview(data), "between two messages")
            try:
                header = read_header(data)
            except MessageError as error:
                if not self._has_header:
                    raise SourceError(
                        f"{self._peer} is out of step: {error}; check that it is an OpenIGTLink server"
                    ) from error
                self._lose_step(data[1:], f"it is out of step: {error}")
            else:
                self._has_header = True
                return header

    def body(self, header: Header) -> memoryview | None:
        """Read and return the body that belongs to `header`, in memory of its own; None where its length is wrong."""
        begin = bytearray(begin_bytes(header)) if header.type == "IMAGE" else bytearray()
        self._fill(memoryview(begin), f"within a {header.type} message")
        stated = stated_bytes(header, memoryview(begin)) if begin else None
        if stated not in (None, header.body_bytes):
            self._lose_step(begin, f"an IMAGE of {header.body_bytes} bytes holds a picture for which {stated} are right")
            return None
        body = memoryview(bytearray(header.body_bytes))
        body[: len(begin)] = begin
        self._fill(body[len(begin) :], f"within a {header.type} message")
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

    def _lose_step(self, unread: bytearray, reason: str) -> None:
        """Search for a header from now on, in the bytes of `unread` first."""
        self._pending[:0] = unread
        self._is_in_step = False
        self._on_problem(OUT_OF_STEP, reason)

    def _search_header(self) -> None:
        """Discard bytes up to the next header."""
        chunk = memoryview(bytearray(_CHUNK_BYTES))
        while (start := find_header(self._pending)) is None:
            del self._pending[: 1 - HEADER_BYTES]
            count = self._read(chunk)
            if not count:
                raise SourceError(f"{self._peer} closed the connection between two messages: start it again")
            self._pending += chunk[:count]
        del self._pending[:start]
        self._is_in_step = True

    def _fill(self, part: memoryview, where: str) -> None:
        """Read until `part` is full."""
        ready = min(len(part), len(self._pending))
        if ready:
            part[:ready] = self._pending[:ready]
            del self._pending[:ready]
            part = part[ready:]
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
