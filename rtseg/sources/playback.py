"""Loops or paces a source, for endurance tests and benchmarks."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from time import perf_counter_ns

from rtseg.errors import ConfigError, SourceError
from rtseg.frame import Frame, StreamInfo
from rtseg.sources.base import Source, stream_info
from rtseg.sources.open import open_source


class LoopingSource:
    """Reopens a source each time it ends, until it has yielded `frames` frames; the index keeps counting.

    opened: a URI, or a function that opens the source. Raises ConfigError, and what opening raises.
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
        """Return the source's description, with the number of frames to come."""
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
        """Yield one pass, with indices that continue those of the pass before."""
        base = self._base
        for frame in self._source:
            self._given, self._base = self._given + 1, base + frame.index + 1
            yield replace(frame, index=base + frame.index)
            if self._given >= self._frames:
                return

    def _reopen(self) -> None:
        self._source.close()
        self._source = self._open()
        if self._closed:  # another thread called close() meanwhile, on the previous source
            self._source.close()


class PacedSource:
    """Yields a source's frames at its own or the given rate, none before it is due, and reports itself as live.

    Frame i is due i / fps seconds after the first; `captured_ns` is the moment of delivery. A late reader gets the next
    frame at once: dropping frames is left to the reader. A frame is read at most half a period before it is due, as a
    camera has none to decode earlier. Raises ConfigError.
    """

    def __init__(self, source: Source, fps: float | None = None) -> None:
        info = source.info
        self._source = source
        rate = info.fps if fps is None else fps
        paced = stream_info(info.height, info.width, rate, info.spacing_mm, info.frames).as_live()
        self._info = replace(paced, only_ultrasound=info.only_ultrasound)
        self._closed = threading.Event()

    @property
    def info(self) -> StreamInfo:
        """Return the source's description, live and at the rate of playback."""
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
        """Close the source; a frame that is not due yet is not yielded."""
        self._closed.set()
        self._source.close()

    def _wait_until(self, due_ns: int) -> bool:
        """Sleep until `due_ns`; return true if the source was closed meanwhile."""
        return self._closed.wait(max(0, due_ns - perf_counter_ns()) / 1e9)
