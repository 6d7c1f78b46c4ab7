"""Stall detection: a client that takes no byte for a while although bytes wait for it."""

import socket
import struct
import sys
from collections.abc import Callable
from time import monotonic

if sys.platform == "linux":
    import fcntl
    import termios

PATIENCE_S = 5.0


class StallDetector:
    """Decides whether the client of a connection has stopped reading.

    Bytes count as taken when the client's system has acknowledged them; where the platform does not tell (other than Linux),
    when they were sent. patience_s: time without a taken byte. clock: in seconds.
    """

    def __init__(
        self, connection: socket.socket, patience_s: float = PATIENCE_S, clock: Callable[[], float] = monotonic
    ) -> None:
        self._connection, self._patience_s, self._clock = connection, patience_s, clock
        self._sent = self._taken = 0
        self._since_s = clock()

    def add_sent(self, count: int) -> None:
        """Count bytes that were handed to the system."""
        self._sent += count

    def is_stalled(self, is_waiting: bool) -> bool:
        """Return whether no byte was taken for `patience_s`. is_waiting: bytes wait that the system did not accept yet.

        To be called about every second: the time counts from the last call that saw progress.
        """
        queued = _unacknowledged(self._connection)
        if self._sent - queued != self._taken or not (queued or is_waiting):
            self._taken, self._since_s = self._sent - queued, self._clock()
        return self._clock() - self._since_s >= self._patience_s


def _unacknowledged(connection: socket.socket) -> int:
    """Return the bytes in the system's send queue, 0 where it does not tell."""
    if sys.platform != "linux":
        return 0
    try:
        return int(struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))[0])  # SIOCOUTQ of tcp(7)
    except OSError:
        return 0  # it is closed: the next send tells
