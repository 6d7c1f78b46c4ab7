"""A recording played as if it were live."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from time import perf_counter_ns

from rtseg.frame import Frame, StreamInfo
from rtseg.sources.base import Source, stream_info


class Paced:
    """Gives `source`'s frames at its own or the given rate, each no earlier than it is due, and calls itself live.

    Frame i is due i / fps seconds after the first; `captured_ns` is the moment of delivery. A reader that comes late gets
    the next frame at once: dropping is the reader's business. A frame is not read earlier than half a period before it is due:
    a camera has none to decode either while the one before is worked on. Raises ConfigError.
    """

    def __init__(self, source: Source, fps: float | None = None) -> None:
        info = source.info
        self._source = source
        self._info = stream_info(
            info.height, info.width, info.fps if fps is None else fps, info.spacing_mm, info.frames
        ).as_live()
        self._closed = threading.Event()

    @property
    def info(self) -> StreamInfo:
        """The source's, live and at the rate of play."""
        return self._info

    def __iter__(self) -> Iterator[Frame]:
        starts_ns = None
        for frame in self._source:
            offset_ns = round(frame.index * 1e9 / self._info.fps)
            starts_ns = perf_counter_ns() - offset_ns if starts_ns is None else starts_ns
            if self._wait_until(starts_ns + offset_ns):
                return
            yield replace(frame, captured_ns=perf_counter_ns())
            if self._wait_until(starts_ns + offset_ns + self._info.period_ns // 2):
                return

    def close(self) -> None:
        """Close the source; a frame that is being waited for is not given."""
        self._closed.set()
        self._source.close()

    def _wait_until(self, due_ns: int) -> bool:
        """Sleep until the moment has come; True where the source was closed instead."""
        return self._closed.wait(max(0, due_ns - perf_counter_ns()) / 1e9)
