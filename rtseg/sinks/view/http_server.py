"""Serve HTTP so that slow clients cannot exhaust it: one thread reads all heads, one thread serves each request."""

import selectors
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

from rtseg.errors import ViewerRefused
from rtseg.sinks.view.http_connection import HEAD_BYTES, HEAD_S, HttpConnection
from rtseg.text.log_records import get_logger

_log = get_logger(__name__)

MAX_PENDING = 32  # connections with an incomplete head; a new one replaces the oldest
MAX_SHORT_REQUESTS = 16  # concurrent requests that are not viewers
_POLL_S = 0.1
_PAUSE_S = 0.1  # before the next accept, after one failed for lack of resources
_TOO_LARGE = b"HTTP/1.0 431 Request Header Fields Too Large\r\nConnection: close\r\n\r\n"


class HttpServer:
    """Listens at `address` from construction to `close`; after `start`, each request is served in a thread of its own.

    A connection without a complete head takes no thread; it is limited in time (5 s), bytes (16 KiB) and number (32, the
    oldest is dropped). At most 16 requests are served at once; `reserve_viewer` moves a long one out of this limit, into
    that of max_viewers. send_buffer: bytes of the kernel's send buffer for a client. Raises OSError.
    """

    def __init__(self, address: tuple[str, int], max_viewers: int, send_buffer: int, name: str) -> None:
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._listener = socket.create_server(address, family=family, backlog=128)
        self._listener.setblocking(False)
        self._max_viewers, self._send_buffer, self._name = max_viewers, send_buffer, name
        self._lock, self._closing = threading.Lock(), threading.Event()
        self._short_requests: set[HttpConnection] = set()
        self._viewers: set[HttpConnection] = set()
        self._workers: list[threading.Thread] = []
        self._pending: dict[HttpConnection, None] = {}  # the oldest first
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread: threading.Thread | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Return the host and the port that the server listens on."""
        host, port = self._listener.getsockname()[:2]
        return str(host), int(port)

    def start(self, answer: Callable[[HttpConnection], None]) -> None:
        """Start to serve. answer: called with each request in a thread of its own; it may raise OSError."""
        self._answer = answer
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def reserve_viewer(self, connection: HttpConnection) -> None:
        """Count a validated request as a viewer instead of a short request. Raises ViewerRefused at `max_viewers`."""
        with self._lock:
            if len(self._viewers) >= self._max_viewers:
                raise ViewerRefused(f"{self._max_viewers} look already: close another page of this stream first")
            self._short_requests.discard(connection)
            self._viewers.add(connection)

    def close(self) -> None:
        """Close every connection and end every thread; harmless twice."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()
        self._listener.close()
        with self._lock:
            for connection in self._short_requests | self._viewers:
                connection.hang_up()
            workers = list(self._workers)
        for worker in workers:
            worker.join()

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                for key, _ in self._selector.select(_POLL_S):
                    if key.fileobj is self._listener:
                        self._accept()
                    elif key.data in self._pending:
                        self._receive(key.data)
                self._expire()
        finally:
            for connection in list(self._pending):
                self._forget(connection)
                connection.end()
            self._selector.close()

    def _accept(self) -> None:
        try:
            accepted, peer = self._listener.accept()
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._send_buffer)
        except OSError as error:
            _log.warning("a connection could not be accepted: %s", error)
            self._closing.wait(_PAUSE_S)
            return
        if len(self._pending) >= MAX_PENDING:
            self._drop(next(iter(self._pending)), "another needs its place")
        accepted.setblocking(False)
        connection = HttpConnection(accepted, peer)
        self._selector.register(accepted, selectors.EVENT_READ, connection)
        self._pending[connection] = None

    def _receive(self, connection: HttpConnection) -> None:
        try:
            is_there = connection.receive()
        except BlockingIOError:
            return
        except OSError as error:
            self._drop(connection, str(error))
            return
        if connection.is_complete:
            self._start(connection)
        elif not is_there or len(connection.head) > HEAD_BYTES:
            with suppress(OSError):
                connection.socket.send(_TOO_LARGE if is_there else b"")
            self._drop(connection, "its head is too large" if is_there else "it left within its head")

    def _start(self, connection: HttpConnection) -> None:
        """Start a thread that serves a request whose head is complete."""
        self._forget(connection)
        worker = threading.Thread(target=self._work, args=(connection,), name=f"{self._name}-client", daemon=True)
        with self._lock:
            if is_free := len(self._short_requests) < MAX_SHORT_REQUESTS:
                self._short_requests.add(connection)
                self._workers = [*(one for one in self._workers if one.is_alive()), worker]
        if not is_free:
            connection.end()  # no response, since even an error response takes a thread
            return
        try:
            worker.start()
        except RuntimeError as error:  # no more threads available
            _log.warning("a request could not be answered: %s", error)
            self._workers.remove(worker)
            self._end(connection)

    def _work(self, connection: HttpConnection) -> None:
        try:
            self._answer(connection)
        except OSError:
            _log.debug("a connection ended early", exc_info=True)
        except Exception:  # noqa: BLE001  logged: the thread has no caller
            _log.exception("a request could not be answered")
        finally:
            self._end(connection)

    def _end(self, connection: HttpConnection) -> None:
        with self._lock:
            self._short_requests.discard(connection)
            self._viewers.discard(connection)
            connection.end()

    def _expire(self) -> None:
        now_s = monotonic()
        for connection in [one for one in self._pending if one.due_s < now_s]:
            self._drop(connection, f"it sent no whole head in {HEAD_S:g} s")

    def _drop(self, connection: HttpConnection, reason: str) -> None:
        self._forget(connection)
        connection.end()
        _log.debug("a connection was dropped: %s", reason)

    def _forget(self, connection: HttpConnection) -> None:
        del self._pending[connection]
        self._selector.unregister(connection.socket)
