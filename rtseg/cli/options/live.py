"""The options and messages of `rtseg run` for live sources."""

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


def print_reconnects(source: Source) -> None:
    """Print how often a live source was lost, stalled and live, if it was lost at all."""
    link = as_live_source(source)
    if link and link.counts[LinkState.LOST]:
        lost, stalled, live = (link.counts[state] for state in (LinkState.LOST, LinkState.STALLED, LinkState.LIVE))
        console.print(f"the source was lost {lost} times, stalled {stalled} times and live {live} times", style="yellow")
