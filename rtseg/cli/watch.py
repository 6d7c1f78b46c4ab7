"""The options by which `rtseg run` shows a stream while it runs."""

from typing import Annotated, TypeAlias

import typer

from rtseg.cli.app import console
from rtseg.errors import ConfigError
from rtseg.overlay import Overlay
from rtseg.sinks.base import Sink
from rtseg.sinks.view import ViewSink
from rtseg.sinks.window import WindowSink
from rtseg.sources import Source, open_source
from rtseg.sources.paced import Paced
from rtseg.sources.repeat import Repeated

ENDLESS = 10**12  # frames: more than a thousand years

ViewOption: TypeAlias = Annotated[bool, typer.Option("--view", help="Show it live on a page for the browser.")]
ViewAtOption: TypeAlias = Annotated[
    str, typer.Option("--view-at", help="With --view: HOST:PORT of the page; beyond this machine it has a key.")
]
WindowOption: TypeAlias = Annotated[bool, typer.Option("--window", help="Show it live in a window, where there is a screen.")]
RepeatOption: TypeAlias = Annotated[bool, typer.Option("--repeat", help="Play a recording again and again.")]


def watching(view: bool, view_at: str, window: bool, opacity: float) -> list[Sink]:
    """The sinks for those who watch. Raises ConfigError."""
    host, port = _address(view_at)
    pages: list[Sink] = [ViewSink(Overlay(opacity=opacity), host=host, port=port, on_ready=_tell)] if view else []
    windows: list[Sink] = [WindowSink(Overlay(opacity=opacity))] if window else []
    return pages + windows


def played(uri: str, opened: Source, repeat: bool, watched: bool) -> Source:
    """The source as it is to be played: a recording that is watched, and not written, keeps its own pace."""
    if opened.info.live:
        return opened
    fps, spacing_mm = opened.info.fps, opened.info.spacing_mm
    if repeat:
        opened.close()
        opened = Repeated(lambda: open_source(uri, fps=fps, spacing_mm=spacing_mm), ENDLESS)
    return Paced(opened) if watched else opened


def _address(text: str) -> tuple[str, int]:
    """The host and port of HOST:PORT, [IPv6]:PORT or PORT alone. Raises ConfigError."""
    host, colon, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535 or (colon and not host):
        raise ConfigError(f"{text!r} is no place for a page: give HOST:PORT, as in 127.0.0.1:8000, or a port")
    return host.strip("[]") or "127.0.0.1", int(port)


def _tell(url: str) -> None:
    console.print(f"watch it at {url}", highlight=False)
