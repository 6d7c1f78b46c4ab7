"""Detect stalled clients, which take no byte although bytes are queued for them."""

import socket
import struct
import sys
from collections.abc import Callable
from time import monotonic

if sys.platform == "linux":
    import fcntl
    import termios

STALL_TIMEOUT_S = 5.0


class StallDetector:
    """Detects whether the client of a connection has stopped reading.

    Bytes count as taken once the client's TCP stack has acknowledged them. Platforms other than Linux do not report that; there
    they count once they were sent. timeout_s: time without a taken byte. clock: returns seconds.
    """

    def __init__(
        self, connection: socket.socket, timeout_s: float = STALL_TIMEOUT_S, clock: Callable[[], float] = monotonic
    ) -> None:
        self._connection, self._timeout_s, self._clock = connection, timeout_s, clock
        self._sent = self._taken = 0
        self._since_s = clock()

    def add_sent(self, count: int) -> None:
        """Count bytes that the kernel accepted."""
        self._sent += count

    def is_stalled(self, is_waiting: bool) -> bool:
        """Return whether no byte was taken for `timeout_s`; call it about every second.

        is_waiting: True when bytes are pending that the kernel has not accepted yet. The time counts from the last call that
        observed progress.
        """
        queued = _unacknowledged(self._connection)
        if self._sent - queued != self._taken or not (queued or is_waiting):
            self._taken, self._since_s = self._sent - queued, self._clock()
        return self._clock() - self._since_s >= self._timeout_s


def _unacknowledged(connection: socket.socket) -> int:
    """Return the number of bytes in the kernel's send queue; 0 when the platform does not report it."""
    if sys.platform != "linux":
        return 0
    try:
        return int(struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))[0])  # SIOCOUTQ of tcp(7)
    except OSError:
        return 0  # the connection is closed: the next send raises
