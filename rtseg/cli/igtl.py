"""The options that serve results over OpenIGTLink."""

from typing import Annotated

import typer

from rtseg.cli.app import console
from rtseg.overlay import Overlay
from rtseg.sinks.igtl import DEFAULT_PARTS, PARTS, IgtlSink

IgtlOption = Annotated[
    str, typer.Option("--igtl", help="Serve the results over OpenIGTLink at HOST:PORT, or :18945 for this machine alone.")
]
IgtlSendOption = Annotated[str, typer.Option("--igtl-send", help=f"What is served, of {', '.join(PARTS)}.")]
USUAL_PARTS = ",".join(DEFAULT_PARTS)


def serving(where: str, parts: str, opacity: float) -> list[IgtlSink]:
    """The sink that was asked for, if one was. Raises ConfigError."""
    if not where:
        return []
    sink = IgtlSink(where, [part.strip() for part in parts.split(",") if part.strip()], Overlay(opacity=opacity))
    console.print(f"OpenIGTLink at {sink.address}: {parts}", highlight=False)
    return [sink]


def tell_missed(sink: IgtlSink) -> None:
    """Say what clients did not get."""
    if sink.dropped:
        console.print(f"OpenIGTLink clients missed {sink.dropped} frames: they read too slowly", style="yellow")
