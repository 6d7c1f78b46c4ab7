"""Pass frames from the capturing thread to the working one: a mailbox in which the newest frame wins, or a short queue."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextvars import copy_context
from time import perf_counter_ns

from rtseg.frame import Frame
from rtseg.sources.base import Source
from rtseg.sources.live.frame_pacing import FramePacer

_JOIN_S = 5.0  # a source that blocks for longer is left to its daemon thread
_WAIT_TICK_S = 1.0  # blocking in short intervals lets Ctrl-C through on every system


class Mailbox:
    """Reads a live source in its own thread, and yields the newest frame each time.

    A frame that was overwritten before it was taken leaves a gap in `Frame.index`. An error of the source is raised in the
    reader's loop, after the last good frame. expect: called with each frame in the capturing thread, before it can be taken.
    """

    def __init__(self, source: Source, expect: Callable[[Frame], None] | None = None) -> None:
        self._source, self._expect = source, expect
        self._changed, self._pacer = threading.Condition(), FramePacer()
        self._frames: deque[Frame] = deque()
        self._ended = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=copy_context().run, args=(self._capture,), name="rtseg-capture", daemon=True)

    def start(self) -> None:
        """Start to capture; frames that arrive before the first one is taken are treated like later ones."""
        if not self._thread.ident:
            self._thread.start()

    def __iter__(self) -> Iterator[Frame]:
        self.start()
        try:
            while (frame := self._take()) is not None:
                yield frame
        finally:
            self.close()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Stop capturing, close the source and join the thread."""
        self._end()
        self._source.close()
        if self._thread.is_alive():
            self._thread.join(_JOIN_S)

    def _make_room(self) -> None:
        """Make room for a frame. Called with the lock held."""
        self._frames.clear()

    def _await_newer(self) -> None:
        """Block briefly where the next frame is about to arrive. Called with the lock held and a frame present."""
        newest = self._frames[-1]
        self._pacer.wait_for_next(self._changed, lambda: self._frames[-1] is not newest or self._ended)

    def _capture(self) -> None:
        try:
            for frame in self._source:
                if not self._put(frame):
                    break
        except Exception as error:  # noqa: BLE001  raised again in the reader's loop
            self._error = error
        finally:
            self._end()

    def _put(self, frame: Frame) -> bool:
        if self._expect:
            self._expect(frame)
        with self._changed:
            self._make_room()
            self._frames.append(frame)
            self._pacer.frame_arrived(perf_counter_ns())
            self._changed.notify_all()
            return not self._ended

    def _end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _take(self) -> Frame | None:
        """Block until there is a frame and return it; None at the end of the stream."""
        with self._changed:
            self._pacer.work_finished(perf_counter_ns())
            while not self._changed.wait_for(lambda: self._frames or self._ended, _WAIT_TICK_S):
                pass
            if self._frames:
                self._await_newer()
            self._pacer.work_started(perf_counter_ns())
            self._changed.notify_all()
            return self._frames.popleft() if self._frames else None


class ReadAheadQueue(Mailbox):
    """Reads a source in its own thread, up to `depth` frames ahead; when the queue is full the source blocks."""

    def __init__(self, source: Source, depth: int = 8) -> None:
        super().__init__(source)
        self._depth = depth

    def _await_newer(self) -> None:
        """Do nothing, since no frame is skipped."""

    def _make_room(self) -> None:
        self._changed.wait_for(lambda: len(self._frames) < self._depth or self._ended)
