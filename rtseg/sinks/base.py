"""Define the protocol that every sink implements."""

from typing import Protocol

from rtseg.frame import StreamInfo
from rtseg.result import Result


class Sink(Protocol):
    """Consumes the results of a stream, one by one, in order.

    A sink that can fall behind drops results of a live stream instead of delaying it, and counts them in `dropped`.
    """

    def open(self, info: StreamInfo) -> None:
        """Prepare for a stream. Raises SinkError."""

    def write(self, result: Result) -> None:
        """Consume one result; the frame and the labels are only read. Raises SinkError."""

    def close(self) -> None:
        """Finish the output and release every resource; closing twice, or without `open`, is harmless. Raises SinkError."""
