"""Loops or paces a source, for endurance tests and benchmarks."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from time import perf_counter_ns

from rtseg.errors import ConfigError, SourceError
from rtseg.frame import Frame, Omission, StreamInfo
from rtseg.sources.base import Source, omitted_parts, stream_info
from rtseg.sources.open import open_source


class LoopingSource:
    """Reopens a source each time it ends, until it has yielded `frames` frames; index and presentation time keep counting.

    opened: a URI, or a function that opens the source. Raises ConfigError, and what opening raises.
    """

    def __init__(self, opened: str | Callable[[], Source], frames: int) -> None:
        if frames < 1:
            raise ConfigError(f"a source cannot be repeated for {frames} frames: give at least 1")
        self._open: Callable[[], Source] = (lambda: open_source(opened)) if isinstance(opened, str) else opened
        self._frames, self._given, self._base, self._base_ns = frames, 0, 0, 0
        self._source = self._open()
        self._info = replace(self._source.info, frames=frames)
        self._closed = False
        self._omitted = list(omitted_parts(self._source))

    @property
    def info(self) -> StreamInfo:
        """Return the source's description, with the number of frames to come."""
        return self._info

    @property
    def omitted(self) -> Sequence[Omission]:
        """Return what the source has left out so far, each part once."""
        return self._omitted

    def __iter__(self) -> Iterator[Frame]:
        while not self._closed:
            before = self._given
            yield from self._play()
            self._omitted.extend(part for part in omitted_parts(self._source) if part not in self._omitted)
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
        base, base_ns = self._base, self._base_ns
        for frame in self._source:
            self._given, self._base = self._given + 1, base + frame.index + 1
            shown_ns = None if frame.presentation_ns is None else base_ns + frame.presentation_ns
            self._base_ns = self._base_ns if shown_ns is None else shown_ns + self._info.period_ns
            yield replace(frame, index=base + frame.index, presentation_ns=shown_ns)
            if self._given >= self._frames:
                return

    def _reopen(self) -> None:
        self._source.close()
        self._source = self._open()
        if self._closed:  # another thread called close() meanwhile, on the previous source
            self._source.close()


class PacedSource:
    """Yields a source's frames at its own or the given rate, none before it is due, and reports itself as live.

    A frame is due at its presentation time, or where there is none, or another rate was given, i / fps seconds after frame 0;
    `captured_ns` is the moment of delivery. A late reader gets the next
    frame at once: dropping frames is left to the reader. A frame is read at most half a period before it is due, as a
    camera has none to decode earlier. Raises ConfigError.
    """

    def __init__(self, source: Source, fps: float | None = None) -> None:
        info = source.info
        self._source = source
        checked = stream_info(info.height, info.width, info.fps if fps is None else fps, info.spacing_mm, info.frames)
        self._info = replace(info, fps=checked.fps).as_live()
        self._keeps_times = fps is None
        self._closed = threading.Event()

    @property
    def info(self) -> StreamInfo:
        """Return the source's description, live and at the rate of playback."""
        return self._info

    @property
    def omitted(self) -> Sequence[Omission]:
        """Return what the source has left out so far."""
        return omitted_parts(self._source)

    def __iter__(self) -> Iterator[Frame]:
        starts_ns = None
        for frame in self._source:
            offset_ns = self._offset_ns(frame)
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

    def _offset_ns(self, frame: Frame) -> int:
        """Return the time from the first frame of the recording to this one."""
        if self._keeps_times and frame.presentation_ns is not None:
            return frame.presentation_ns
        return round(frame.index * 1e9 / self._info.fps)

    def _wait_until(self, due_ns: int) -> bool:
        """Sleep until `due_ns`; return true if the source was closed meanwhile."""
        return self._closed.wait(max(0, due_ns - perf_counter_ns()) / 1e9)
