"""The options that serve results over OpenIGTLink."""

from dataclasses import dataclass
from typing import Annotated

import typer

from rtseg.cli.app import console
from rtseg.overlay import Overlay
from rtseg.sinks.igtl.sink import DEFAULT_PARTS, PARTS, IgtlSink


@dataclass(frozen=True, slots=True)
class IgtlOptions:
    """Holds the address of the OpenIGTLink server and the parts that it sends; it is off by default."""

    igtl: Annotated[
        str, typer.Option("--igtl", help="Serve the results over OpenIGTLink at HOST:PORT, or at :PORT for this machine alone.")
    ] = ""
    igtl_send: Annotated[
        str, typer.Option("--igtl-send", help=f"The parts of the results to serve, of {', '.join(PARTS)}.")
    ] = ",".join(DEFAULT_PARTS)

    def sinks(self, opacity: float) -> list[IgtlSink]:
        """Return the server in a list, or an empty list if there is no address. Raises ConfigError."""
        if not self.igtl:
            return []
        parts = [part.strip() for part in self.igtl_send.split(",") if part.strip()]
        sink = IgtlSink(self.igtl, parts, Overlay(opacity=opacity))
        console.print(f"OpenIGTLink at {sink.address}: {self.igtl_send}", highlight=False)
        return [sink]


def print_missed(sink: IgtlSink) -> None:
    """Print how many frames the clients missed."""
    if sink.dropped:
        console.print(f"OpenIGTLink clients missed {sink.dropped} frames: they read too slowly", style="yellow")
