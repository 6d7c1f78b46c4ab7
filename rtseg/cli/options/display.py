"""The options by which `rtseg run` shows a stream while it runs."""

from dataclasses import dataclass
from typing import Annotated

import typer
from rich.text import Text

from rtseg.cli.app import console
from rtseg.errors import ConfigError
from rtseg.overlay import Overlay
from rtseg.sinks.base import Sink
from rtseg.sinks.view.sink import ViewSink
from rtseg.sinks.window import WindowSink
from rtseg.sources import Source, open_source
from rtseg.sources.playback import Paced, Repeated

ENDLESS = 10**12  # frames: more than a thousand years


@dataclass(frozen=True, slots=True)
class Watching:
    """Who looks on while it runs: nobody, by default."""

    view: Annotated[bool, typer.Option("--view", help="Show it live on a page for the browser.")] = False
    view_at: Annotated[
        str, typer.Option("--view-at", help="With --view: HOST:PORT of the page; beyond this machine it has a key.")
    ] = "127.0.0.1:8000"
    window: Annotated[bool, typer.Option("--window", help="Show it live in a window, where there is a screen.")] = False
    repeat: Annotated[bool, typer.Option("--repeat", help="Play a recording again and again.")] = False

    def sinks(self, opacity: float) -> list[Sink]:
        """Those for who watches. Raises ConfigError."""
        host, port = _address(self.view_at)
        overlay = Overlay(opacity=opacity)
        pages: list[Sink] = [ViewSink(overlay, host=host, port=port, on_ready=_tell)] if self.view else []
        windows: list[Sink] = [WindowSink(Overlay(opacity=opacity))] if self.window else []
        return pages + windows

    def played(self, uri: str, opened: Source, at_its_pace: bool) -> Source:
        """The source as it is to be played: a recording that is watched, and not written, keeps its own pace."""
        if opened.info.live:
            return opened
        fps, spacing_mm = opened.info.fps, opened.info.spacing_mm
        if self.repeat:
            opened.close()
            opened = Repeated(lambda: open_source(uri, fps=fps, spacing_mm=spacing_mm), ENDLESS)
        return Paced(opened) if at_its_pace else opened


def _address(text: str) -> tuple[str, int]:
    """The host and port of HOST:PORT, [IPv6]:PORT or PORT alone. Raises ConfigError."""
    host, colon, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535 or (colon and not host):
        raise ConfigError(f"{text!r} is no place for a page: give HOST:PORT, as in 127.0.0.1:8000, or a port")
    return host.strip("[]") or "127.0.0.1", int(port)


def _tell(url: str) -> None:
    console.print(Text(f"watch it at {url}"), highlight=False)  # its key is meant to be read
