"""Serve Gradio's page, and each visitor's video, statistics and files."""

import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from typing import Any

import uvicorn
from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.requests import ClientDisconnect

from rtseg.demos.gradio_app.benchmark import REPORTS
from rtseg.demos.gradio_app.connection import TimedConnection
from rtseg.demos.gradio_app.guard import AccessControl, App
from rtseg.demos.gradio_app.page import mount
from rtseg.demos.gradio_app.scan import CSV, JSON, MASKS, OVERLAY, SCAN_REPORT
from rtseg.demos.gradio_app.shutdown import BoundedShutdownServer, shutdown_watchdog
from rtseg.demos.gradio_app.sources import SourceMenu, require_source
from rtseg.demos.gradio_app.uploads import UploadRefused, has_disk_space, receive_upload
from rtseg.demos.gradio_app.visitors import MAX_VIEWS, Visitor, VisitorGone, Visitors
from rtseg.demos.gradio_app.webcam import BrowserCamera
from rtseg.errors import RtsegError, SinkError, ViewerRefused
from rtseg.sinks.view.controls import CONTROLS, control
from rtseg.sinks.view.http_connection import BODY_BYTES
from rtseg.sinks.view.mjpeg import CONTENT_TYPE, PART_HEADER, POLL_S, SEND_BUFFER, multipart_part
from rtseg.sinks.view.server import ASSETS, page_file
from rtseg.sinks.view.viewport import Viewport, parse_viewport
from rtseg.text.log_records import redact_server_records

_FILES = {OVERLAY, MASKS, CSV, JSON, SCAN_REPORT, *REPORTS}
_OWN = {"page.css": "text/css", "page.js": "text/javascript"}
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin"}


class VisitorRoutes:
    """Serves the demo's own routes, beside Gradio's; each path contains the visitor's secret token."""

    def __init__(self, visitors: Visitors) -> None:
        self._visitors = visitors
        # Separate limits, so that neither viewers nor uploads use up the threads of the other requests.
        self._viewing, self._receiving = CapacityLimiter(visitors.most * MAX_VIEWS), CapacityLimiter(visitors.most + 1)

    def add_to(self, app: FastAPI) -> None:
        """Add the routes to an application."""
        app.add_api_route("/rtseg/{name}", self.asset, methods=["GET"], response_class=Response)
        app.add_api_route("/live/{token}/video", self.video, methods=["GET"], response_class=Response)
        app.add_api_route("/live/{token}/figures", self.figures, methods=["GET"], response_class=Response)
        app.add_api_route("/live/{token}/camera", self.camera, methods=["POST"], response_class=Response)
        for name in CONTROLS:
            app.add_api_route(f"/live/{{token}}/{name}", self.control, methods=["POST"], response_class=Response, name=name)
        app.add_api_route("/live/{token}/upload", self.upload, methods=["POST"], response_class=Response)
        app.add_api_route("/live/{token}/close", self.close, methods=["POST"], response_class=Response)
        app.add_api_route("/live/{token}/files/{name}", self.file, methods=["GET"], response_class=Response)

    def asset(self, name: str) -> Response:
        """Serve the page's scripts and styles."""
        if name in ASSETS:
            return Response(page_file(name), media_type=ASSETS[name], headers=_HEADERS)
        if name in _OWN:
            return Response((files("rtseg.demos.gradio_app") / name).read_bytes(), media_type=_OWN[name], headers=_HEADERS)
        return PlainTextResponse("there is nothing here", 404)

    async def video(self, token: str, room: str = "") -> Response:
        """Serve the overlay as MJPEG; room: the page's viewport, WIDTHxHEIGHT. Raises ViewerRefused."""
        visitor, fit = self._visitors.find(token), parse_viewport(room)
        if visitor.live.screen.broadcast.viewers >= MAX_VIEWS:
            raise ViewerRefused(f"{MAX_VIEWS} watch this page's stream already: close one of them")
        pictures = _mjpeg_stream(visitor, fit, self._viewing)
        return StreamingResponse(pictures, media_type=CONTENT_TYPE, headers=_HEADERS)

    def figures(self, token: str) -> Response:
        """Serve the statistics as JSON."""
        return JSONResponse(self._visitors.find(token).live.snapshot(), headers=_HEADERS)

    async def camera(self, token: str, request: Request) -> Response:
        """Receive one image of the browser's camera."""
        live = self._visitors.find(token).live
        require_source(live.source, BrowserCamera).push(await request.body())
        return Response(status_code=204)

    async def control(self, token: str, request: Request) -> Response:
        """Point at an object in the picture, forget one, or undo that."""
        prompts, body = self._visitors.find(token).live.screen.prompts, await request.body()
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return PlainTextResponse("the request is no JSON: send it as application/json", 415)
        if len(body) > BODY_BYTES:
            return PlainTextResponse(f"that is too much: send at most {BODY_BYTES} bytes", 413)
        await to_thread.run_sync(control, prompts, request.scope["route"].name, body)
        return Response(status_code=204)

    async def upload(self, token: str, request: Request) -> Response:
        """Receive a recording or a still of this visitor; the body is the file, and no file name is read."""
        visitor = self._visitors.find(token)
        if not has_disk_space(visitor.folder):
            raise UploadRefused("the server's disk is almost full: tell who runs it")
        with self._visitors.receive(visitor) as allowed:
            try:
                visitor.upload = await receive_upload(request.stream(), visitor.folder, allowed, self._receiving)
            except UploadRefused:
                raise  # UploadRefused is also an OSError
            except (ClientDisconnect, OSError) as error:
                raise UploadRefused("the upload was cut, or its page was closed: try again") from error
        return Response(status_code=204)

    def close(self, token: str) -> Response:
        """Remove the visitor, whose page was closed."""
        self._visitors.leave(token)
        return Response(status_code=204)

    def file(self, token: str, name: str) -> Response:
        """Serve a result file of this visitor; only names in a fixed list are allowed."""
        path = self._visitors.find(token).folder / name
        if name not in _FILES or not path.is_file():
            return PlainTextResponse("there is no such file", 404)
        return FileResponse(path, headers=_HEADERS)


async def _mjpeg_stream(visitor: Visitor, room: Viewport | None, limiter: CapacityLimiter) -> AsyncIterator[bytes]:
    broadcast, number = visitor.live.screen.broadcast, 0
    with broadcast.viewer(room):
        yield PART_HEADER
        await to_thread.run_sync(visitor.live.screen.redraw, limiter=limiter)
        while not broadcast.is_closed:
            coded = await to_thread.run_sync(broadcast.wait_for_newer, number, POLL_S, limiter=limiter)
            if coded is not None:
                number = coded.number
                yield multipart_part(coded)


def build_application(visitors: Visitors, sources: SourceMenu, accounts: Sequence[str] = ()) -> App:
    """Build the whole server as an ASGI application. Raises ConfigError."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_exception_handler(RtsegError, _error_response)
    VisitorRoutes(visitors).add_to(app)
    return AccessControl(mount(app, visitors, sources), accounts)


def create_server(app: App, folder: Path | None = None) -> uvicorn.Server:
    """Create a server for an application; a signal ends its process within five seconds.

    folder: removed even on a forced exit.
    """
    redact_server_records()
    quiet: dict[str, Any] = {"log_level": "warning", "access_log": False, "server_header": False}
    timed: dict[str, Any] = {"http": TimedConnection, "ws": "none"}  # a WebSocket would have neither deadlines nor a count
    # No proxy headers: a client could forge its address with them.
    return BoundedShutdownServer(
        uvicorn.Config(app, timeout_graceful_shutdown=1, proxy_headers=False, **timed, **quiet), folder
    )


def open_listener(host: str, port: int) -> socket.socket:
    """Open a listening socket whose connections buffer about one image, so that slow viewers stay current. Raises SinkError."""
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)  # inherited by the connections
        made.bind((host, port))
        made.listen(64)
    except (OSError, OverflowError) as error:
        made.close()
        raise SinkError(f"nothing can be served at {host}:{port} ({error}): give another --host or --port") from error
    return made


def serve(listener: socket.socket, sources: SourceMenu, accounts: Sequence[str], most: int) -> None:
    """Serve until a signal ends the process. Raises ConfigError."""
    with closing(listener), closing(Visitors(most)) as visitors, shutdown_watchdog(visitors.folder.path):
        create_server(build_application(visitors, sources, accounts), visitors.folder.path).run(sockets=[listener])


async def _error_response(_: Request, error: Exception) -> Response:
    status = 410 if isinstance(error, VisitorGone) else 429 if isinstance(error, ViewerRefused) else 400
    return PlainTextResponse(str(error), status, headers=_HEADERS)
