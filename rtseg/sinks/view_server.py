"""A small web server for one stream: a page, the overlay as MJPEG, and the figures as JSON. Nothing else can be asked for."""

import ipaddress
import logging
import secrets
import socket
import threading
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from urllib.parse import parse_qs, urlsplit

from rtseg.errors import ConfigError, SinkError, ViewerRefused
from rtseg.safe_text import json_text
from rtseg.sinks.mjpeg import CONTENT_TYPE, SEND_BUFFER, parts
from rtseg.sinks.room import parse_room
from rtseg.sinks.screen import Screen

_log = logging.getLogger(__name__)

_TIMEOUT_S = 10.0  # for a request to arrive, and for a viewer to take a picture
_OTHERS = 8  # connections beside those that watch: pages and figures
_SCRIPTS = ("live.js", "picture.js", "player.js")
ASSETS = {"live.css": "text/css"} | dict.fromkeys(_SCRIPTS, "text/javascript")  # what the page asks for, and no secret
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; style-src 'self'; frame-ancestors 'none'",
}


class ViewServer:
    """Serves a screen at http://host:port/ from threads of its own, from construction until `close`.

    host: of an interface; where it is not this machine's alone, a key in the address keeps others out. port: 0 for any that is
    free. viewers_most: connections that may watch at once. Raises SinkError.
    """

    def __init__(self, screen: Screen, host: str = "127.0.0.1", port: int = 8000, viewers_most: int = 8) -> None:
        self.key = "" if is_loopback(host) else secrets.token_urlsafe(16)
        handler = partial(_Handler, screen, self.key)
        try:
            self._server = _Server((host, port), handler, viewers_most + _OTHERS)
        except (OSError, OverflowError) as error:
            raise SinkError(f"nothing can be served at {host}:{port} ({error}): give another host or port") from error
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="rtseg-view", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where the page is."""
        host, port = self._server.server_address[:2]
        return url_of(str(host), int(port)) + (f"?key={self.key}" if self.key else "")

    def close(self) -> None:
        """Hang up on everybody and end every thread."""
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    """A thread for each connection, but no more than `connections_most` of them."""

    daemon_threads = False  # so that server_close waits for them
    allow_reuse_address = True
    request_queue_size = 32

    def __init__(self, address: tuple[str, int], handler: partial["_Handler"], connections_most: int) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._places = threading.BoundedSemaphore(connections_most)
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        super().__init__(address, handler)

    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        assert isinstance(request, socket.socket)
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)  # who comes too late for a place is hung up on: even a refusal takes a thread
            return
        with self._lock:
            self._open.add(request)
        request.settimeout(_TIMEOUT_S)
        request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        super().process_request(request, client_address)

    def process_request_thread(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._open.discard(request)
            self._places.release()

    def hang_up(self) -> None:
        """End every connection, also those that wait for a viewer who takes nothing."""
        with self._lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError as error:
                    _log.debug("a viewer was gone already: %s", error)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002  the base class's signature
        _log.debug("a connection ended early", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    """Answers one request: HTTP/1.0, so that no idle connection holds a thread."""

    server_version, sys_version = "rtseg", ""

    def __init__(self, screen: Screen, key: str, *arguments: object) -> None:
        self._screen, self._key = screen, key
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        if not is_ours(self.headers.get("Host", "")):
            self._refuse(HTTPStatus.FORBIDDEN, "this server is not asked by that name: use its address")
        elif (name := asked.path[1:]) in ASSETS:
            self._send(ASSETS[name], page(name))
        elif not secrets.compare_digest(parse_qs(asked.query).get("key", [""])[0].encode(), self._key.encode()):
            self._refuse(HTTPStatus.FORBIDDEN, "the address lacks its key: use the one that rtseg printed")
        elif asked.path == "/video":
            self._watch(parse_qs(asked.query).get("room", [""])[0])
        else:
            self._answer(asked.path)

    def _answer(self, path: str) -> None:
        if path == "/":
            self._send("text/html", page("live.html"))
        elif path == "/figures":
            self._send("application/json", json_text(self._screen.snapshot()).encode())
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "there is nothing here: the page is at /")

    def _watch(self, room: str) -> None:
        try:
            with self._screen.broadcast.viewer(parse_room(room)):
                self._head(HTTPStatus.OK, CONTENT_TYPE)
                self._screen.redraw()
                for piece in parts(self._screen.broadcast):
                    self._write_or_probe(piece)
        except ConfigError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        except ViewerRefused as error:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, str(error))

    def _write_or_probe(self, piece: bytes) -> None:
        """Send a piece; where there is none, find out whether the viewer has left: nothing else would tell. Raises OSError."""
        if piece:
            self.wfile.write(piece)
        elif _has_left(self.connection):
            raise ConnectionAbortedError("the viewer has left")

    def _refuse(self, status: HTTPStatus, text: str) -> None:
        self._send("text/plain", text.encode(), status)

    def _send(self, kind: str, body: bytes, status: HTTPStatus = HTTPStatus.OK) -> None:
        self._head(status, kind if kind.startswith("image") else f"{kind}; charset=utf-8", len(body))
        self.wfile.write(body)

    def _head(self, status: HTTPStatus, kind: str, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        _log.debug(format, *args)


def page(name: str) -> bytes:
    """A file of the page, by our own name for it."""
    return (files("rtseg.sinks") / "page" / name).read_bytes()


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def url_of(host: str, port: int) -> str:
    """Where a server is to be asked; of every interface, the one of this machine alone."""
    name = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{name}]:{port}/" if ":" in name else f"http://{name}:{port}/"


def is_ours(host: str) -> bool:
    """Whether a Host header names this machine as we allow it: by an address, as localhost, or by its own name.

    A page of somebody else, whose name was made to lead here (DNS rebinding), sends that name.
    """
    own = socket.gethostname().lower()
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name in ("localhost", own, f"{own}.local") or bool(ipaddress.ip_address(name))
    except ValueError:
        return False


def _has_left(connection: socket.socket) -> bool:
    """Whether the other end hung up."""
    connection.setblocking(False)
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        connection.settimeout(_TIMEOUT_S)
