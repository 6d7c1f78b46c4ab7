"""Drop connections to the demo's server whose client is too slow, or has too many of them."""

from asyncio import BaseTransport, TimerHandle, Transport
from collections import Counter
from time import monotonic
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from rtseg.demos.gradio_app.guard import MAX_REQUESTS, network_of
from rtseg.sinks.stall import StallDetector
from rtseg.text.log_records import get_logger

HEAD_S = 5.0  # for a whole request head, however it is cut
REST_S = 5.0  # for the rest of a body whose answer was given already
MOST_CONNECTIONS = 4 * MAX_REQUESTS  # of everybody

_CHECK_S = 0.5
_log = get_logger(__name__)


class TimedConnection(H11Protocol):
    """Adds deadlines and a count by address to uvicorn's HTTP connection.

    It is dropped when a request head takes more than 5 s, when the client takes no byte for 5 s while bytes wait for it, and
    when it goes on with a body for 5 s after the answer. A body that is read has its own limits in `guard`. Where an address
    has 128 connections, its oldest incomplete request gives way to a new one, or the new one is refused; where all have 512,
    the oldest connection of the address with the most gives way.
    """

    network = ""
    _checking: TimerHandle | None = None
    _since_s = 0.0  # when this head began, or the answer ended

    def connection_made(self, transport: BaseTransport) -> None:
        """Count a new connection, and begin to watch it."""
        self._sending = CountingTransport(cast(Transport, transport))
        super().connection_made(cast(Transport, self._sending))
        self.network, self._since_s = network_of(self.client), monotonic()
        self._stall = StallDetector(transport.get_extra_info("socket"))
        if self._has_place():
            self._check()
        else:
            self._drop("its address has too many connections")

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop watching."""
        if self._checking is not None:
            self._checking.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read what came; the first byte of a request head begins its time."""
        if self.is_reading_head and not self.conn.trailing_data[0]:
            self._since_s = monotonic()
        super().data_received(data)

    @property
    def is_reading_head(self) -> bool:
        """Return whether no complete request head has arrived since the last answer."""
        return self.conn.their_state is h11.IDLE

    def _has_place(self) -> bool:
        """Make room for this connection; return whether there is some."""
        others = [one for one in self.connections if isinstance(one, TimedConnection) and one is not self]
        mine = [one for one in others if one.network == self.network]
        if len(mine) >= MAX_REQUESTS:
            waiting = [one for one in mine if one.is_reading_head]
        elif len(others) >= MOST_CONNECTIONS:
            greediest, count = Counter(one.network for one in others).most_common(1)[0]
            waiting = [one for one in others if one.network == greediest and count > len(mine) + 1]
        else:
            return True
        for one in sorted(waiting, key=lambda one: one._since_s)[:1]:
            one._drop("another needs its place")
        return bool(waiting)

    def _check(self) -> None:
        """Drop the connection where it is too slow; else look again after a while."""
        now_s, buffered = monotonic(), self._sending.get_write_buffer_size()
        self._stall.add_sent(self._sending.take_written(buffered))
        is_over = self.conn.our_state in (h11.DONE, h11.MUST_CLOSE, h11.CLOSED) and self.conn.their_state is h11.SEND_BODY
        if not (self.is_reading_head or is_over):
            self._since_s = now_s
        if self._stall.is_stalled(bool(buffered)):
            self._drop("its client takes nothing")
        elif self.is_reading_head and not buffered and now_s - self._since_s > HEAD_S:
            self._drop(f"it sent no whole head in {HEAD_S:g} s")
        elif is_over and now_s - self._since_s > REST_S:
            self._drop("it goes on with a body that was answered")
        else:
            self._checking = self.loop.call_later(_CHECK_S, self._check)

    def _drop(self, reason: str) -> None:
        """End the connection at once, with what waits to be sent."""
        _log.debug("a connection of %s was dropped: %s", self.network, reason)
        self.connections.discard(self)
        self._sending.abort()


class CountingTransport:
    """Counts the bytes that are written to a transport."""

    def __init__(self, transport: Transport) -> None:
        self._transport, self._written = transport, 0

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the transport itself."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write, and count."""
        self._written += len(data)
        self._transport.write(data)

    def take_written(self, buffered: int) -> int:
        """Return the bytes that the system accepted since the last call. buffered: bytes that wait in the transport."""
        count, self._written = self._written - buffered, buffered
        return count
