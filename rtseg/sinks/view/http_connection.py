"""Read an HTTP client's request, and write the response to it."""

import io
import re
import socket
from contextlib import suppress
from time import monotonic

from rtseg.sinks.stall import StallDetector

HEAD_S = 5.0  # time limit for a complete request, in however many pieces
HEAD_BYTES = 1 << 14  # limit of a request with its body
BODY_BYTES = 1 << 12  # limit of its body
WRITE_S = 8.0  # time limit for one piece of a response, such as an image
_STEP_S = 0.5  # between two stall checks of a blocked write
_END = re.compile(rb"\r?\n\r?\n")
_LENGTH = re.compile(rb"\ncontent-length:[ \t]*([0-9]{1,15})[ \t]*\r?\n", re.IGNORECASE)


class HttpConnection(io.BufferedIOBase):
    """Receives a request; as a binary file, it writes to the client.

    peer: the client's address. `head` holds the bytes received so far, also those of the body. A write raises TimeoutError
    when the client takes no byte for 5 s, or not all bytes within `WRITE_S`.
    """

    def __init__(self, connection: socket.socket, peer: object) -> None:
        self.socket, self.peer, self.head = connection, peer, b""
        self.due_s = monotonic() + HEAD_S
        self._stall = StallDetector(connection)

    @property
    def is_complete(self) -> bool:
        """Return True when the request is complete and not too large, or is refused without its body."""
        end = _END.search(self.head, 0, HEAD_BYTES)
        if end is None:
            return False
        stated = _LENGTH.search(self.head, 0, end.end())
        length = int(stated[1]) if stated else 0
        return length > BODY_BYTES or len(self.head) - end.end() >= length

    def receive(self) -> bool:
        """Read the available bytes and return False when the client has closed its side. Raises OSError."""
        data = self.socket.recv(HEAD_BYTES)
        self.head += data
        return bool(data)

    def writable(self) -> bool:
        """Return True, as `io.BufferedIOBase` requires of a file for writing."""
        return True

    def write(self, data: object) -> int:
        """Send all bytes of `data` and return their number. Raises OSError."""
        left = memoryview(data).cast("B")  # type: ignore[arg-type]
        total, due_s = len(left), monotonic() + WRITE_S
        while left:
            count = self._send(left)
            left = left[count:]
            if left and monotonic() > due_s:
                raise TimeoutError(f"the client did not take {total} bytes in {WRITE_S:g} s")
            self.check(bool(left))
        return total

    def check(self, is_waiting: bool = False) -> None:
        """Raise TimeoutError when the client has stopped reading."""
        if self._stall.is_stalled(is_waiting):
            raise TimeoutError("the client takes nothing")

    def has_left(self) -> bool:
        """Return whether the client has closed the connection; pending input is discarded."""
        return self.take_input() is None

    def take_input(self) -> bytes | None:
        """Return the bytes that have come since, without blocking; None when the client has closed the connection."""
        self.socket.setblocking(False)
        try:
            return self.socket.recv(HEAD_BYTES) or None
        except BlockingIOError:
            return b""
        except OSError:
            return None

    def hang_up(self) -> None:
        """Shut the connection down from any thread; a concurrent write fails."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        """Close the connection after its response."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
        self.socket.close()

    def _send(self, left: memoryview) -> int:
        self.socket.settimeout(_STEP_S)
        try:
            count = self.socket.send(left)
        except TimeoutError:
            return 0
        self._stall.add_sent(count)
        return count
