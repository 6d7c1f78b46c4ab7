"""The demo's web server: Gradio's page, and beside it each visitor's video, figures and files."""

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

from rtseg.demos.gradio_app.connection import TimedConnection
from rtseg.demos.gradio_app.guard import App, Gate
from rtseg.demos.gradio_app.live import fed
from rtseg.demos.gradio_app.measuring import REPORT
from rtseg.demos.gradio_app.page import mount
from rtseg.demos.gradio_app.scan import CSV, JSON, MASKS, OVERLAY
from rtseg.demos.gradio_app.shutdown import EndingServer, watched
from rtseg.demos.gradio_app.sources import Sources
from rtseg.demos.gradio_app.uploads import UploadRefused, has_room, receive_upload
from rtseg.demos.gradio_app.visitors import MOST_VIEWS, Visitor, VisitorGone, Visitors
from rtseg.demos.gradio_app.webcam import Webcam
from rtseg.errors import RtsegError, SinkError, ViewerRefused
from rtseg.sinks.view.mjpeg import CONTENT_TYPE, HEAD, PATIENCE_S, SEND_BUFFER, part
from rtseg.sinks.view.server import ASSETS, page
from rtseg.sinks.view.viewport import Room, parse_room
from rtseg.text.log_records import install_for_server

_FILES = {OVERLAY, MASKS, CSV, JSON, *REPORT}
_OWN = {"page.css": "text/css", "page.js": "text/javascript"}
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin"}


class Routes:
    """What a visitor's page asks for beside Gradio's own; each address holds the visitor's secret."""

    def __init__(self, visitors: Visitors) -> None:
        self._visitors = visitors
        # Threads of their own, so that neither viewers nor uploads take those by which every other request is answered.
        self._viewing, self._receiving = CapacityLimiter(visitors.most * MOST_VIEWS), CapacityLimiter(visitors.most + 1)

    def add_to(self, app: FastAPI) -> None:
        """Let an application answer them."""
        app.add_api_route("/rtseg/{name}", self.asset, methods=["GET"], response_class=Response)
        app.add_api_route("/live/{token}/video", self.video, methods=["GET"], response_class=Response)
        app.add_api_route("/live/{token}/figures", self.figures, methods=["GET"], response_class=Response)
        app.add_api_route("/live/{token}/camera", self.camera, methods=["POST"], response_class=Response)
        app.add_api_route("/live/{token}/upload", self.upload, methods=["POST"], response_class=Response)
        app.add_api_route("/live/{token}/close", self.close, methods=["POST"], response_class=Response)
        app.add_api_route("/live/{token}/files/{name}", self.file, methods=["GET"], response_class=Response)

    def asset(self, name: str) -> Response:
        """The page's own scripts and styles."""
        if name in ASSETS:
            return Response(page(name), media_type=ASSETS[name], headers=_HEADERS)
        if name in _OWN:
            return Response((files("rtseg.demos.gradio_app") / name).read_bytes(), media_type=_OWN[name], headers=_HEADERS)
        return PlainTextResponse("there is nothing here", 404)

    async def video(self, token: str, room: str = "") -> Response:
        """The overlay as MJPEG; room: WIDTHxHEIGHT that the page has for it."""
        visitor, fit = self._visitors.find(token), parse_room(room)
        if visitor.live.screen.broadcast.viewers >= MOST_VIEWS:
            raise ViewerRefused(f"{MOST_VIEWS} watch this page's stream already: close one of them")
        pictures = _pictures(visitor, fit, self._viewing)
        return StreamingResponse(pictures, media_type=CONTENT_TYPE, headers=_HEADERS)

    def figures(self, token: str) -> Response:
        """The figures as JSON."""
        return JSONResponse(self._visitors.find(token).live.snapshot(), headers=_HEADERS)

    async def camera(self, token: str, request: Request) -> Response:
        """One picture of the browser's own camera."""
        live = self._visitors.find(token).live
        fed(live.source, Webcam).push(await request.body())
        return Response(status_code=204)

    async def upload(self, token: str, request: Request) -> Response:
        """A recording or a still for this visitor: the body is the file, and no name of it is read."""
        visitor = self._visitors.find(token)
        if not has_room(visitor.folder):
            raise UploadRefused("the server's disk is almost full: tell who runs it")
        with self._visitors.receive(visitor) as allowed:
            try:
                visitor.upload = await receive_upload(request.stream(), visitor.folder, allowed, self._receiving)
            except UploadRefused:
                raise  # it is an OSError too
            except (ClientDisconnect, OSError) as error:
                raise UploadRefused("the upload was cut, or its page was closed: try again") from error
        return Response(status_code=204)

    def close(self, token: str) -> Response:
        """The page was closed."""
        self._visitors.leave(token)
        return Response(status_code=204)

    def file(self, token: str, name: str) -> Response:
        """A file that was made for this visitor, by a name of ours."""
        path = self._visitors.find(token).folder / name
        if name not in _FILES or not path.is_file():
            return PlainTextResponse("there is no such file", 404)
        return FileResponse(path, headers=_HEADERS)


async def _pictures(visitor: Visitor, room: Room | None, limiter: CapacityLimiter) -> AsyncIterator[bytes]:
    broadcast, number = visitor.live.screen.broadcast, 0
    with broadcast.viewer(room):
        yield HEAD
        await to_thread.run_sync(visitor.live.screen.redraw, limiter=limiter)
        while not broadcast.closed:
            coded = await to_thread.run_sync(broadcast.next, number, PATIENCE_S, limiter=limiter)
            if coded is not None:
                number = coded.number
                yield part(coded)


def application(visitors: Visitors, sources: Sources, accounts: Sequence[str] = ()) -> App:
    """The whole server as an ASGI application. Raises ConfigError."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_exception_handler(RtsegError, _failed)
    Routes(visitors).add_to(app)
    return Gate(mount(app, visitors, sources), accounts)


def server(app: App, folder: Path | None = None) -> uvicorn.Server:
    """Runs an application on the sockets that it is handed; a signal ends its process within five seconds.

    folder: removed even if the end has to be forced.
    """
    install_for_server()
    quiet: dict[str, Any] = {"log_level": "warning", "access_log": False, "server_header": False}
    timed: dict[str, Any] = {"http": TimedConnection, "ws": "none"}  # a WebSocket would have neither deadlines nor a count
    # Without proxy headers: a visitor could give himself any address by them.
    return EndingServer(uvicorn.Config(app, timeout_graceful_shutdown=1, proxy_headers=False, **timed, **quiet), folder)


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens, whose connections hold little more than one picture for a viewer who is slow. Raises SinkError."""
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)  # connections inherit it
        made.bind((host, port))
        made.listen(64)
    except (OSError, OverflowError) as error:
        made.close()
        raise SinkError(f"nothing can be served at {host}:{port} ({error}): give another --host or --port") from error
    return made


def serve(listener: socket.socket, sources: Sources, accounts: Sequence[str], most: int) -> None:
    """Serve until the process is asked to stop. Raises ConfigError."""
    with closing(listener), closing(Visitors(most)) as visitors, watched(visitors.folder.path):
        server(application(visitors, sources, accounts), visitors.folder.path).run(sockets=[listener])


async def _failed(_: Request, error: Exception) -> Response:
    status = 410 if isinstance(error, VisitorGone) else 429 if isinstance(error, ViewerRefused) else 400
    return PlainTextResponse(str(error), status, headers=_HEADERS)
