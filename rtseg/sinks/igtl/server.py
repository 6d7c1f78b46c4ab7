"""Send the same items to many TCP clients, each at its own pace, from one thread."""

import selectors
import socket
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic

from rtseg.errors import SinkError
from rtseg.igtl.message import Content
from rtseg.sinks.stall import STALL_TIMEOUT_S, StallDetector
from rtseg.text.log_records import get_logger

_log = get_logger(__name__)

_QUEUE_DEPTH = 4  # items queued for a client; when another arrives, the oldest is dropped
_MAX_CLIENTS = 16
_SEND_BUFFER_BYTES = 1 << 20  # the kernel's send buffer of a client: a larger one would only deliver older frames
_RECEIVE_BYTES = 1 << 16
_FLUSH_S = 2.0  # time limit for sending the last items on close
_CHECK_S = 0.5  # between two searches for clients that have stopped reading
_PAUSE_S = 0.1  # before the next accept, after one failed for lack of resources


class IgtlClient:
    """Holds one client's connection, its queue of items, and the item in flight."""

    def __init__(self, connection: socket.socket, name: str) -> None:
        self.connection, self.name, self.dropped = connection, name, 0
        self._waiting = deque[Sequence[Content]]()  # appended by the caller's thread, popped by the server's
        self._in_flight = deque[memoryview]()
        self._stall = StallDetector(connection)
        self._completed_s = monotonic()

    @property
    def is_drained(self) -> bool:
        """Return True when nothing is left to send."""
        return not self._in_flight and not self._waiting

    @property
    def is_stalled(self) -> bool:
        """Return True when the client has taken no byte for 5 s while items are queued."""
        return self._stall.is_stalled(not self.is_drained)

    @property
    def lag_s(self) -> float:
        """Return the seconds since a whole item was last sent; 0 when none is queued."""
        return 0.0 if self.is_drained else monotonic() - self._completed_s

    def offer(self, item: Sequence[Content]) -> int:
        """Queue an item and return the number of items that were dropped for it, 0 or 1."""
        if self.is_drained:
            self._completed_s = monotonic()
        self._waiting.append(item)
        late = len(self._waiting) > _QUEUE_DEPTH
        if late:
            self._waiting.popleft()
            self.dropped += 1
        return int(late)

    def send(self) -> None:
        """Send as much as the kernel accepts without blocking. Raises OSError when the client is gone."""
        with suppress(BlockingIOError):
            while not self.is_drained:
                self._in_flight = self._in_flight or deque(memoryview(piece) for piece in self._waiting.popleft())
                sent = self.connection.send(self._in_flight[0])
                self._stall.add_sent(sent)
                self._in_flight[0] = self._in_flight[0][sent:]
                if not self._in_flight[0]:
                    self._in_flight.popleft()
                if not self._in_flight:
                    self._completed_s = monotonic()

    def discard_input(self) -> None:
        """Read and discard the client's input. Raises OSError when the client is gone."""
        with suppress(BlockingIOError):
            if not self.connection.recv(_RECEIVE_BYTES):
                raise ConnectionResetError("it closed the connection")


class IgtlServer:
    """Listens on `host` and `port` (0: any free port) and sends each item to all connected clients.

    `offer` never blocks: a client that reads too slowly misses whole items, the oldest first, and `dropped` counts them. A
    client that takes no byte for 5 s while items are queued is disconnected. When all 16 places are taken, a new client
    replaces the slowest one, provided that it has received no whole item for 5 s. The clients' input is discarded. Raises
    SinkError when the port cannot be bound.
    """

    def __init__(self, host: str, port: int) -> None:
        self.dropped = 0
        self._listener = _listen(host, port)
        self._wakeup_writer, self._wakeup_reader = socket.socketpair()
        self._clients: list[IgtlClient] = []
        self._clients_lock, self._closing = threading.Lock(), threading.Event()
        self._error: Exception | None = None
        self._check_s = 0.0
        self._selector = selectors.DefaultSelector()
        for one in (self._listener, self._wakeup_writer, self._wakeup_reader):
            one.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._wakeup_reader, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="rtseg-igtl", daemon=True)
        self._thread.start()

    @property
    def address(self) -> tuple[str, int]:
        """Return the host and the port that the server listens on."""
        host, port = self._listener.getsockname()[:2]
        return str(host), int(port)

    @property
    def clients(self) -> int:
        """Return the number of connected clients."""
        return len(self._clients)

    def offer(self, item: Sequence[Content]) -> None:
        """Queue an item for each client; its buffers must not change afterwards. Raises SinkError when the server failed."""
        if self._error is not None:
            raise SinkError(f"the OpenIGTLink server broke ({self._error}): start the stream again") from self._error
        with self._clients_lock:
            self.dropped += sum(client.offer(item) for client in self._clients)
        self._wake()

    def close(self) -> None:
        """Send the queued items for at most 2 s, then close the clients, the port and the thread; harmless twice."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._wake()
        self._thread.join()
        for one in (self._listener, self._wakeup_writer, self._wakeup_reader):
            one.close()
        self._selector.close()

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                self._poll(None)
            until_s = monotonic() + _FLUSH_S
            while not all(client.is_drained for client in self._clients) and monotonic() < until_s:
                self._poll(until_s - monotonic())
        except Exception as error:  # noqa: BLE001 - stored, and raised by `offer` in the caller's thread
            self._error = error
        finally:
            while self._clients:
                self._disconnect(self._clients[0], "the stream is over")

    def _poll(self, timeout_s: float | None) -> None:
        """Block until a socket is ready, or `timeout_s` has passed, and handle the ready ones."""
        if self._clients:
            timeout_s = _CHECK_S if timeout_s is None else min(timeout_s, _CHECK_S)
        for client in self._clients:
            writes = 0 if client.is_drained else selectors.EVENT_WRITE
            self._selector.modify(client.connection, selectors.EVENT_READ | writes, client)
        for key, events in self._selector.select(timeout_s):
            if key.fileobj is self._listener:
                self._accept()
            elif key.fileobj is self._wakeup_reader:
                self._wakeup_reader.recv(_RECEIVE_BYTES)
            elif key.data in self._clients:  # not replaced since `select` returned
                self._handle_events(key.data, events)
        if monotonic() >= self._check_s:
            self._check_s = monotonic() + _CHECK_S
            self._drop_stalled()

    def _handle_events(self, client: IgtlClient, events: int) -> None:
        try:
            if events & selectors.EVENT_READ:
                client.discard_input()
            if events & selectors.EVENT_WRITE:
                client.send()
        except OSError as error:
            self._disconnect(client, error.strerror or str(error))

    def _drop_stalled(self) -> None:
        """Disconnect the clients that have stopped reading."""
        for client in [one for one in self._clients if one.is_stalled]:
            _log.warning("the OpenIGTLink client %s has taken nothing for %g s", client.name, STALL_TIMEOUT_S)
            self._disconnect(client, "it does not read")

    def _make_room(self) -> bool:
        """Return whether another client can be served, and disconnect the slowest client for it if needed."""
        if len(self._clients) < _MAX_CLIENTS:
            return True
        slowest = max(self._clients, key=lambda client: client.lag_s)
        if slowest.lag_s < STALL_TIMEOUT_S:
            return False
        self._disconnect(slowest, "it lags, and another needs its place")
        return True

    def _accept(self) -> None:
        try:
            connection, place = self._listener.accept()
        except OSError as error:
            _log.warning("an OpenIGTLink client could not be let in: %s", error)
            self._closing.wait(_PAUSE_S)
            return
        name = f"{place[0]}:{place[1]}"
        if not self._make_room():
            _log.warning("the OpenIGTLink client %s is sent away: %d are served already", name, _MAX_CLIENTS)
            connection.close()
            return
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        self._selector.register(connection, selectors.EVENT_READ, client := IgtlClient(connection, name))
        with self._clients_lock:
            self._clients.append(client)
        _log.info("the OpenIGTLink client %s is served", name)

    def _disconnect(self, client: IgtlClient, reason: str) -> None:
        with self._clients_lock:
            self._clients.remove(client)
        self._selector.unregister(client.connection)
        client.connection.close()
        _log.info("the OpenIGTLink client %s is gone (%s); it missed %d frames", client.name, reason, client.dropped)

    def _wake(self) -> None:
        with suppress(BlockingIOError):  # a full pipe wakes the thread as well
            self._wakeup_writer.send(b"!")


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SinkError(f"OpenIGTLink cannot be served on {host}:{port} ({reason}): choose another port") from error
