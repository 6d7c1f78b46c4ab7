"""The options that serve results over OpenIGTLink."""

from dataclasses import dataclass
from typing import Annotated

import typer

from rtseg.cli.app import console
from rtseg.overlay import Overlay
from rtseg.sinks.igtl.sink import DEFAULT_PARTS, PARTS, IgtlSink


@dataclass(frozen=True, slots=True)
class Serving:
    """Where results are served, and which; nowhere by default."""

    igtl: Annotated[
        str, typer.Option("--igtl", help="Serve the results over OpenIGTLink at HOST:PORT, or :18945 for this machine alone.")
    ] = ""
    igtl_send: Annotated[str, typer.Option("--igtl-send", help=f"What is served, of {', '.join(PARTS)}.")] = ",".join(
        DEFAULT_PARTS
    )

    def sinks(self, opacity: float) -> list[IgtlSink]:
        """The one that was asked for, if one was. Raises ConfigError."""
        if not self.igtl:
            return []
        parts = [part.strip() for part in self.igtl_send.split(",") if part.strip()]
        sink = IgtlSink(self.igtl, parts, Overlay(opacity=opacity))
        console.print(f"OpenIGTLink at {sink.address}: {self.igtl_send}", highlight=False)
        return [sink]


def tell_missed(sink: IgtlSink) -> None:
    """Say what clients did not get."""
    if sink.dropped:
        console.print(f"OpenIGTLink clients missed {sink.dropped} frames: they read too slowly", style="yellow")
