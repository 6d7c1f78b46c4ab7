"""Pass the results of a stream to a screen that outlives it."""

from rtseg.frame import StreamInfo
from rtseg.result import Result
from rtseg.sinks.view.screen import Screen


class ScreenSink:
    """Passes results to a screen that outlives the stream."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def open(self, info: StreamInfo) -> None:
        """Reset the screen's statistics."""
        self._screen.begin(info)

    def write(self, result: Result) -> None:
        """Show one result."""
        self._screen.write(result)

    def close(self) -> None:
        """Do nothing: the last image stays."""
