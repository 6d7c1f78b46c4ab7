"""The options of `rtseg run` that show the stream while it runs."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.text import Text

from rtseg.cli.app import console
from rtseg.errors import ConfigError
from rtseg.overlay import Overlay
from rtseg.session.session import Session
from rtseg.sinks.base import Sink
from rtseg.sinks.view.sink import ViewSink
from rtseg.sinks.window import WindowSink
from rtseg.sources import Source, open_source
from rtseg.sources.base import as_connected_source
from rtseg.sources.playback import LoopingSource, PacedSource

ENDLESS = 10**12  # frames, which is more than a thousand years


@dataclass(frozen=True, slots=True)
class DisplayOptions:
    """Holds the options that show the results while the stream runs; all are off by default."""

    view: Annotated[bool, typer.Option("--view", help="Show the results live on a web page.")] = False
    view_at: Annotated[
        str, typer.Option("--view-at", help="With --view: the HOST:PORT of the page; for other machines its address has a key.")
    ] = "127.0.0.1:8000"
    window: Annotated[bool, typer.Option("--window", help="Show the results live in a window on this machine's screen.")] = (
        False
    )
    repeat: Annotated[bool, typer.Option("--repeat", help="Repeat a recording without end.")] = False

    def sinks(self, opacity: float) -> list[Sink]:
        """Return the sinks of the page and of the window, as the options say. Raises ConfigError."""
        host, port = _parse_address(self.view_at)
        overlay = Overlay(opacity=opacity)
        pages: list[Sink] = [ViewSink(overlay, host=host, port=port, on_ready=_print_url)] if self.view else []
        windows: list[Sink] = [WindowSink(Overlay(opacity=opacity))] if self.window else []
        return pages + windows

    def playback_source(self, uri: str, opened: Source, at_its_pace: bool, fps: float | None = None) -> Source:
        """Return the source to play: repeated if `repeat` is set, paced if `at_its_pace`; live ones unchanged.

        fps: the user's, with which the source was opened.
        """
        if opened.info.live:
            return opened
        if self.repeat:
            opened.close()
            opened = LoopingSource(lambda: open_source(uri, fps=fps), ENDLESS)
        return PacedSource(opened) if at_its_pace else opened


def connect_pages(sinks: Iterable[Sink], session: Session, source: Source) -> None:
    """Let those who look at a page point at what the session follows, and let its metrics count the source's reconnects."""
    for sink in sinks:
        if isinstance(sink, ViewSink):
            sink.screen.prompts.target = session
            sink.screen.metrics.connection = as_connected_source(source)


def _parse_address(text: str) -> tuple[str, int]:
    """Parse HOST:PORT, [IPv6]:PORT or PORT alone into (host, port). Raises ConfigError."""
    host, colon, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535 or (colon and not host):
        raise ConfigError(f"{text!r} is no place for a page: give HOST:PORT, as in 127.0.0.1:8000, or a port")
    return host.strip("[]") or "127.0.0.1", int(port)


def _print_url(url: str) -> None:
    console.print(Text(f"watch it at {url}"), highlight=False)  # a Text, because the key in the address must be readable
