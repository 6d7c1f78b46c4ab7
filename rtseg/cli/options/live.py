"""The options and messages of `rtseg run` for live sources."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, TypeAlias

import typer

from rtseg.cli.app import console
from rtseg.connection import LinkState
from rtseg.pipeline import Policy
from rtseg.sources import Source
from rtseg.sources.base import as_live_source

PolicyOption: TypeAlias = Annotated[
    Policy | None,
    typer.Option(
        "--policy",
        help="If frames come too fast: latest drops all but the newest (default for live sources), all waits (default for "
        "files), block queues a few.",
    ),
]


class _ConsoleLogHandler(logging.Handler):
    """Prints the log records of sources above the progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        style = "yellow" if record.levelno >= logging.WARNING else "dim"
        console.print(record.getMessage(), style=style, markup=False, highlight=False)


@contextmanager
def source_events_printed() -> Iterator[None]:
    """Print the connection events of live sources while the body runs."""
    log, handler = logging.getLogger("rtseg.sources"), _ConsoleLogHandler()
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


def print_reconnects(source: Source) -> None:
    """Print how often a live source was lost, stalled and live, if it was lost at all."""
    link = as_live_source(source)
    if link and link.counts[LinkState.LOST]:
        lost, stalled, live = (link.counts[state] for state in (LinkState.LOST, LinkState.STALLED, LinkState.LIVE))
        console.print(f"the source was lost {lost} times, stalled {stalled} times and live {live} times", style="yellow")
