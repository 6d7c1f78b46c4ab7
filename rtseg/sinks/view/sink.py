"""Show the stream in a browser."""

from collections.abc import Callable

from rtseg.frame import StreamInfo
from rtseg.overlay import Overlay
from rtseg.result import Result
from rtseg.sinks.view.screen import Screen
from rtseg.sinks.view.server import ViewServer


class ViewSink:
    """Serves a page with the live overlay and its statistics while the stream runs.

    host, port: see `ViewServer`. on_ready: called with the page's URL. Nothing is drawn or encoded without viewers. A slow
    viewer gets the newest image, never an old one from a queue. `screen.prompts.target` takes what viewers point at.
    """

    def __init__(
        self,
        overlay: Overlay | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 8000,
        on_ready: Callable[[str], None] | None = None,
    ) -> None:
        self._host, self._port, self._on_ready = host, port, on_ready
        self.screen = Screen(overlay)
        self._server: ViewServer | None = None

    @property
    def url(self) -> str | None:
        """Return the page's URL while it is served, else None."""
        return self._server.url if self._server else None

    def open(self, info: StreamInfo) -> None:
        """Start to serve. Raises SinkError."""
        self.close()
        self._server = ViewServer(self.screen, self._host, self._port)
        self.screen.open(info)
        if self._on_ready:
            self._on_ready(self._server.url)

    def write(self, result: Result) -> None:
        """Show one result."""
        self.screen.write(result)

    def close(self) -> None:
        """Disconnect the viewers and stop serving; harmless twice."""
        self.screen.close()
        server, self._server = self._server, None
        if server is not None:
            server.close()
