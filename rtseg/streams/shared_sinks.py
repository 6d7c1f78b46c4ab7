"""Let several streams write to one set of sinks, which open once and close when the last stream has ended."""

from collections.abc import Sequence
from threading import Lock

from rtseg.frame import StreamInfo
from rtseg.result import Result
from rtseg.sinks.base import Sink


class SharedSinks:
    """Holds sinks of the process, such as the watchdog of systemd: a stream's end does not close them, `close` does."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks, self._lock, self._is_open = sinks, Lock(), False

    def members(self) -> list[Sink]:
        """Return a sink for one stream that passes its results on; an empty list where there is nothing to share."""
        return [_Member(self)] if self._sinks else []

    def open(self, info: StreamInfo) -> None:
        """Open the sinks with the first stream. Raises SinkError."""
        with self._lock:
            if not self._is_open:
                self._is_open = True
                for sink in self._sinks:
                    sink.open(info)

    def write(self, result: Result) -> None:
        """Pass one result on. Raises SinkError."""
        with self._lock:
            for sink in self._sinks:
                sink.write(result)

    def close(self) -> None:
        """Close the sinks; closing twice is harmless. Raises SinkError."""
        for sink in self._sinks:
            sink.close()


class _Member:
    """Passes the results of one stream on, and stays open."""

    def __init__(self, shared: SharedSinks) -> None:
        self._shared = shared

    def open(self, info: StreamInfo) -> None:
        self._shared.open(info)

    def write(self, result: Result) -> None:
        self._shared.write(result)

    def close(self) -> None: ...
