"""Serve one stream over HTTP: a page, the overlay as MJPEG, results and statistics as JSON, and what viewers point at."""

import secrets
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from importlib.resources import files
from io import BytesIO
from urllib.parse import SplitResult, parse_qs, urlsplit

from rtseg.errors import ConfigError, MessageError, MissingExtra, SinkError, ViewerRefused
from rtseg.sinks.view.controls import CONTROLS, control
from rtseg.sinks.view.http_connection import BODY_BYTES, HttpConnection
from rtseg.sinks.view.http_server import HttpServer
from rtseg.sinks.view.mjpeg import CONTENT_TYPE, SEND_BUFFER, multipart_parts
from rtseg.sinks.view.result_streams import EVENTS_TYPE, handshake, send_events, send_frames
from rtseg.sinks.view.screen import Screen
from rtseg.sinks.view.server_address import is_loopback, is_own_host, is_own_origin, server_url
from rtseg.sinks.view.viewport import parse_viewport
from rtseg.sinks.view.websocket import VERSION as WEBSOCKET_VERSION
from rtseg.text.log_records import get_logger
from rtseg.text.safe_text import json_text

_log = get_logger(__name__)

_SCRIPTS = ("live.js", "picture.js", "player.js", "pointer.js", "objects.js")
ASSETS = {"live.css": "text/css"} | dict.fromkeys(_SCRIPTS, "text/javascript")  # public files of the page, without a key
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; style-src 'self'; frame-ancestors 'none'",
}
MAX_SUBSCRIBERS = 8  # readers of results beside the viewers
_NO_KEY = "the address lacks its key: use the one that rtseg printed"


class ViewServer:
    """Serves a screen at http://host:port/ from threads of its own, from construction until `close`.

    host: address of the interface; unless it is a loopback address, the URL contains a secret key that requests must carry.
    port: 0 for any free one. max_viewers: limit of concurrent viewers. Raises SinkError.
    """

    def __init__(self, screen: Screen, host: str = "127.0.0.1", port: int = 8000, max_viewers: int = 8) -> None:
        self._screen, self.key = screen, "" if is_loopback(host) else secrets.token_urlsafe(16)
        try:
            clients = max_viewers + MAX_SUBSCRIBERS
            self._server = HttpServer((host, port), clients, SEND_BUFFER, "rtseg-view")
        except (OSError, OverflowError) as error:
            raise SinkError(f"nothing can be served at {host}:{port} ({error}): give another host or port") from error
        self._server.start(self._answer)

    @property
    def url(self) -> str:
        """Return the page's URL, with its key."""
        return server_url(*self._server.address) + (f"?key={self.key}" if self.key else "")

    def close(self) -> None:
        """Close every connection and end every thread."""
        self._server.close()

    def _answer(self, connection: HttpConnection) -> None:
        _RequestHandler(self._screen, self.key, self._server, connection)


class _RequestHandler(BaseHTTPRequestHandler):
    """Answers one request, whose head is complete, by HTTP/1.0, so that no idle connection holds a thread."""

    server_version, sys_version = "rtseg", ""

    def __init__(self, screen: Screen, key: str, server: HttpServer, connection: HttpConnection) -> None:
        self._screen, self._key, self._server, self._client = screen, key, server, connection
        super().__init__(connection.socket, connection.peer, None)  # type: ignore[arg-type]

    def setup(self) -> None:
        self.rfile, self.wfile = BytesIO(self._client.head), self._client

    def do_GET(self) -> None:
        asked = self._asked()
        if asked is None:
            return
        if (name := asked.path[1:]) in ASSETS:
            self._send(ASSETS[name], page_file(name))
        elif not self._has_key(asked):
            self._refuse(HTTPStatus.FORBIDDEN, _NO_KEY)
        elif asked.path == "/video":
            self._watch(parse_qs(asked.query).get("room", [""])[0])
        elif asked.path == "/results":
            self._stream_results()
        else:
            self._answer(asked.path)

    def do_POST(self) -> None:
        asked = self._asked()
        if asked is None:
            return
        length = self.headers.get("Content-Length", "")
        if not self._has_key(asked):
            self._refuse(HTTPStatus.FORBIDDEN, _NO_KEY)
        elif not is_own_origin(self.headers.get("Origin"), self.headers.get("Host", "")):
            self._refuse(HTTPStatus.FORBIDDEN, "a page of somebody else may not ask this server")
        elif asked.path[1:] not in CONTROLS:
            self._refuse(HTTPStatus.METHOD_NOT_ALLOWED, f"nothing is changed here: {', '.join(CONTROLS)} take a POST")
        elif self.headers.get("Content-Type", "").partition(";")[0].strip().lower() != "application/json":
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the request is no JSON: send it as application/json")
        elif not (length.isascii() and length.isdecimal()):
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "the request states no length: send Content-Length")
        elif len(length) > 15 or int(length) > BODY_BYTES:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"that is too much: send at most {BODY_BYTES} bytes")
        else:
            self._control(asked.path[1:], self.rfile.read(int(length)))

    def _asked(self) -> SplitResult | None:
        """Return the address that is asked for; refuse the request where it is none, or not one of this server."""
        try:
            asked = urlsplit(self.path)
        except ValueError:
            self._refuse(HTTPStatus.BAD_REQUEST, "this is no address: the page is at /")
            return None
        if not is_own_host(self.headers.get("Host", "")):
            self._refuse(HTTPStatus.FORBIDDEN, "this server is not asked by that name: use its address")
            return None
        return asked

    def _has_key(self, asked: SplitResult) -> bool:
        return secrets.compare_digest(parse_qs(asked.query).get("key", [""])[0].encode(), self._key.encode())

    def _control(self, name: str, body: bytes) -> None:
        try:
            control(self._screen.prompts, name, body)
        except ConfigError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        else:
            self._send("application/json", b"{}")

    def _answer(self, path: str) -> None:
        if path == "/":
            self._send("text/html", page_file("live.html"))
        elif path == "/figures":
            self._send("application/json", json_text(self._screen.snapshot()).encode())
        elif path == "/healthz":
            self._send("text/plain", b"ok\n")
        elif path == "/readyz":
            self._say_ready(self._screen.metrics.trouble())
        elif path == "/metrics":
            self._send_metrics()
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "there is nothing here: the page is at /")

    def _watch(self, room: str) -> None:
        try:
            with self._screen.broadcast.viewer(parse_viewport(room)):
                self._server.reserve_viewer(self._client)
                self._head(HTTPStatus.OK, CONTENT_TYPE)
                self._screen.redraw()
                for piece in multipart_parts(self._screen.broadcast):
                    self._write_or_probe(piece)
        except ConfigError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        except ViewerRefused as error:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, str(error))

    def _stream_results(self) -> None:
        """Send the results over a WebSocket where the client asks for one, else as server-sent events."""
        if not is_own_origin(self.headers.get("Origin"), self.headers.get("Host", "")):
            self._refuse(HTTPStatus.FORBIDDEN, "a page of somebody else may not read from this server")
            return
        try:
            with self._screen.feed.subscriber() as after:
                self._server.reserve_viewer(self._client)
                if self.headers.get("Upgrade", "").lower() == "websocket":
                    self._upgrade(after)
                else:
                    self._head(HTTPStatus.OK, EVENTS_TYPE)
                    send_events(self._screen.feed, after, self._client)
        except ViewerRefused as error:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, str(error))

    def _upgrade(self, after: int) -> None:
        if self.headers.get("Sec-WebSocket-Version", "") != WEBSOCKET_VERSION:
            self._refuse(HTTPStatus.UPGRADE_REQUIRED, f"this WebSocket is of another version: use {WEBSOCKET_VERSION}")
            return
        try:
            opening = handshake(self.headers.get("Sec-WebSocket-Key", ""))
        except MessageError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
            return
        self._client.write(opening)
        send_frames(self._screen.feed, after, self._client)

    def _say_ready(self, trouble: str) -> None:
        status = HTTPStatus.SERVICE_UNAVAILABLE if trouble else HTTPStatus.OK
        self._send("text/plain", f"{trouble or 'ready'}\n".encode(), status)

    def _send_metrics(self) -> None:
        try:
            from rtseg.sinks.view.prometheus import CONTENT_TYPE, metrics_text
        except MissingExtra as error:
            self._refuse(HTTPStatus.NOT_IMPLEMENTED, str(error))
            return
        self._send(CONTENT_TYPE.partition("; charset")[0], metrics_text(self._screen.metrics))

    def _write_or_probe(self, piece: bytes) -> None:
        """Send a piece; without one, check that the viewer is still connected and reading. Raises OSError."""
        if piece:
            self.wfile.write(piece)
        elif self._client.has_left():
            raise ConnectionAbortedError("the viewer has left")
        else:
            self._client.check()

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


def page_file(name: str) -> bytes:
    """Return the content of one of the page's files; `name`: one of ASSETS or "live.html", never a client's path."""
    return (files("rtseg.sinks.view") / "page" / name).read_bytes()
