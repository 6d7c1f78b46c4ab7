"""A recording played again and again, for soaks and benchmarks."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from time import perf_counter_ns

from rtseg.errors import ConfigError, SourceError
from rtseg.frame import Frame, StreamInfo
from rtseg.sources.base import Source, stream_info
from rtseg.sources.open import open_source


class Repeated:
    """Opens a source anew each time it ends, until `frames` frames were given; the index counts on.

    opened: a URI, or what opens the source. Raises ConfigError, and what opening raises.
    """

    def __init__(self, opened: str | Callable[[], Source], frames: int) -> None:
        if frames < 1:
            raise ConfigError(f"a source cannot be repeated for {frames} frames: give at least 1")
        self._open: Callable[[], Source] = (lambda: open_source(opened)) if isinstance(opened, str) else opened
        self._frames, self._given, self._base = frames, 0, 0
        self._source = self._open()
        self._info = replace(self._source.info, frames=frames)
        self._closed = False

    @property
    def info(self) -> StreamInfo:
        """The source's, with the number of frames that will be given."""
        return self._info

    def __iter__(self) -> Iterator[Frame]:
        while not self._closed:
            before = self._given
            yield from self._play()
            if self._given >= self._frames or self._closed:
                return
            if self._given == before:
                raise SourceError("the source to repeat gave no frame: choose one that does")
            self._reopen()

    def close(self) -> None:
        """Close the source that is playing."""
        self._closed = True
        self._source.close()

    def _play(self) -> Iterator[Frame]:
        """One pass, its indices counted on from the pass before."""
        base = self._base
        for frame in self._source:
            self._given, self._base = self._given + 1, base + frame.index + 1
            yield replace(frame, index=base + frame.index)
            if self._given >= self._frames:
                return

    def _reopen(self) -> None:
        self._source.close()
        self._source = self._open()
        if self._closed:  # close() came from another thread meanwhile, and closed the source before
            self._source.close()


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
