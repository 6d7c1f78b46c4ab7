"""Read the request head of an HTTP client's connection, and write the response to it."""

import io
import socket
from contextlib import suppress
from time import monotonic

from rtseg.sinks.stall import StallDetector

HEAD_S = 5.0  # time limit for a complete request head, in however many pieces
HEAD_BYTES = 1 << 14
WRITE_S = 8.0  # time limit for one piece of a response, such as an image
_STEP_S = 0.5  # between two stall checks of a blocked write
_ENDS = (b"\r\n\r\n", b"\n\n")


class HttpConnection(io.BufferedIOBase):
    """Receives a request head; as a binary file, it writes to the client.

    peer: the client's address. `head` holds the bytes received so far. A write raises TimeoutError when the client takes no
    byte for 5 s, or not all bytes within `WRITE_S`.
    """

    def __init__(self, connection: socket.socket, peer: object) -> None:
        self.socket, self.peer, self.head = connection, peer, b""
        self.due_s = monotonic() + HEAD_S
        self._stall = StallDetector(connection)

    @property
    def is_complete(self) -> bool:
        """Return True when the head is complete and not too large."""
        return any(end in self.head[:HEAD_BYTES] for end in _ENDS)

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
        self.socket.setblocking(False)
        try:
            return not self.socket.recv(HEAD_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            return True

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
