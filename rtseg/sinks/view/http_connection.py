"""A client's connection to the HTTP server: its request head, and the answer that is written to it."""

import io
import socket
from contextlib import suppress
from time import monotonic

from rtseg.sinks.stall import StallDetector

HEAD_S = 5.0  # for a whole request head, however it is cut
HEAD_BYTES = 1 << 14
WRITE_S = 8.0  # for one piece of an answer, such as a picture
_STEP_S = 0.5  # after which a blocked write looks after its client
_ENDS = (b"\r\n\r\n", b"\n\n")


class Connection(io.BufferedIOBase):
    """A connection whose request head has arrived; as a file, it writes to the client.

    peer: the client's address. head: the bytes that came, at least the whole head. A write raises TimeoutError where the client
    takes no byte for 5 s, or not all for `WRITE_S`.
    """

    def __init__(self, connection: socket.socket, peer: object) -> None:
        self.socket, self.peer, self.head = connection, peer, b""
        self.due_s = monotonic() + HEAD_S
        self._stall = StallDetector(connection)

    @property
    def is_complete(self) -> bool:
        """Whether the whole head is here, and not too large."""
        return any(end in self.head[:HEAD_BYTES] for end in _ENDS)

    def receive(self) -> bool:
        """Read what has come; whether the client is still there. Raises OSError."""
        data = self.socket.recv(HEAD_BYTES)
        self.head += data
        return bool(data)

    def writable(self) -> bool:
        """Whether one can write: always."""
        return True

    def write(self, data: object) -> int:
        """Send all of it. Raises OSError."""
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
        """Raise TimeoutError where the client has stopped reading."""
        if self._stall.is_stalled(is_waiting):
            raise TimeoutError("the client takes nothing")

    def has_left(self) -> bool:
        """Return whether the other end hung up; what it says meanwhile is dropped."""
        self.socket.setblocking(False)
        try:
            return not self.socket.recv(HEAD_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def hang_up(self) -> None:
        """End it from any thread: a write under way fails."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        """Close it after its answer."""
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
