"""Loops or paces a source, for endurance tests and benchmarks."""

import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from time import perf_counter_ns

from rtseg.connection import ConnectionEvent, LinkState
from rtseg.errors import ConfigError, SourceError
from rtseg.frame import Frame, Omission, StreamInfo
from rtseg.sources.base import Source, SourceWrapper, omitted_parts, stream_info
from rtseg.sources.open import open_source

_KEPT_EVENTS = 1000  # the newest of the ended passes


class LoopingSource(SourceWrapper):
    """Reopens a source each time it ends, until it has yielded `frames` frames; index and presentation time keep counting.

    opened: a URI, or a function that opens the source. The events and counts of a live source are those of all passes.
    Raises ConfigError, and what opening raises.
    """

    def __init__(self, opened: str | Callable[[], Source], frames: int) -> None:
        if frames < 1:
            raise ConfigError(f"a source cannot be repeated for {frames} frames: give at least 1")
        self._open: Callable[[], Source] = (lambda: open_source(opened)) if isinstance(opened, str) else opened
        self._frames, self._given, self._base, self._base_ns = frames, 0, 0, 0
        super().__init__(self._open())
        self._info = replace(self._source.info, frames=frames)
        self._closed = self._newest = False
        self._expect: Callable[[Frame], None] | None = None
        self._past: deque[ConnectionEvent] = deque(maxlen=_KEPT_EVENTS)
        self._past_counts = dict.fromkeys(LinkState, 0)
        self._past_reconnects = 0
        self._events = _EventsOfPasses(self._past, lambda: super(LoopingSource, self).events)
        self._omitted = list(omitted_parts(self._source))

    @property
    def info(self) -> StreamInfo:
        """Return the source's description, with the number of frames to come."""
        return self._info

    @property
    def events(self) -> Collection[ConnectionEvent]:
        """Return the newest events of all passes; the collection grows while the source plays."""
        return self._events

    @property
    def reconnects(self) -> int:
        """Return how often a lost connection had to be opened again, in all passes."""
        return self._past_reconnects + super().reconnects

    @property
    def counts(self) -> Mapping[LinkState, int]:
        """Return how often the connection entered each state, in all passes."""
        now = super().counts
        return {state: self._past_counts[state] + now[state] for state in LinkState}

    def keep_newest(self, expect: Callable[[Frame], None] | None = None) -> None:
        """Let a live source drop frames that were not taken, in this pass and in those to come."""
        self._newest, self._expect = True, expect
        super().keep_newest(expect)

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
        source = self._open()
        self._past.extend(super().events)
        self._past_counts, self._past_reconnects = dict(self.counts), self.reconnects
        self._source = source
        if self._newest:
            super().keep_newest(self._expect)
        if self._closed:  # another thread called close() meanwhile, on the previous source
            self._source.close()


class _EventsOfPasses(Collection[ConnectionEvent]):
    """Shows the events of the ended passes and then those of the present one."""

    def __init__(self, past: Collection[ConnectionEvent], present: Callable[[], Collection[ConnectionEvent]]) -> None:
        self._past, self._present = past, present

    def __iter__(self) -> Iterator[ConnectionEvent]:
        return chain(tuple(self._past), tuple(self._present()))

    def __len__(self) -> int:
        return len(self._past) + len(self._present())

    def __contains__(self, event: object) -> bool:
        return event in self._past or event in self._present()


class PacedSource(SourceWrapper):
    """Yields a source's frames at its own or the given rate, none before it is due, and reports itself as live.

    A frame is due at its presentation time, or where there is none, or another rate was given, i / fps seconds after frame 0;
    `captured_ns` is the moment of delivery. A late reader gets the next
    frame at once: dropping frames is left to the reader. A frame is read at most half a period before it is due, as a
    camera has none to decode earlier. A live source keeps its own pace, unless a rate is given. Raises ConfigError.
    """

    def __init__(self, source: Source, fps: float | None = None) -> None:
        super().__init__(source)
        info = source.info
        checked = stream_info(info.height, info.width, info.fps if fps is None else fps, info.spacing_mm, info.frames)
        self._info = replace(info, fps=checked.fps).as_live()
        self._keeps_times = fps is None
        self._closed = threading.Event()

    @property
    def info(self) -> StreamInfo:
        """Return the source's description, live and at the rate of playback."""
        return self._info

    def __iter__(self) -> Iterator[Frame]:
        if self._source.info.live and self._keeps_times:
            return iter(self._source)
        return self._paced()

    def _paced(self) -> Iterator[Frame]:
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
