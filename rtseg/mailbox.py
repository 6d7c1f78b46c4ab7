"""Between the thread that captures and the one that works: a mailbox in which the newest frame wins, and a short queue."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from time import perf_counter_ns

from rtseg.frame import Frame
from rtseg.sources.base import Source
from rtseg.sources.live.frame_pacing import Rhythm

_JOIN_S = 5.0  # a source that does not let go of its frame after this long is left to its daemon thread
_TICK_S = 1.0  # a wait that ends now and then, so that Ctrl-C is heard on every system


class LatestFrame:
    """Reads a live source in a thread of its own and gives the newest frame each time.

    A frame that was overwritten before anybody took it leaves a gap in `Frame.index`. What the source raises is raised in the
    reader's loop, after the last good frame. expect: is told of each frame in the thread that captures, before it can be taken.
    """

    def __init__(self, source: Source, expect: Callable[[Frame], None] | None = None) -> None:
        self._source, self._expect = source, expect
        self._changed, self._rhythm = threading.Condition(), Rhythm()
        self._frames: deque[Frame] = deque()
        self._ended = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._capture, name="rtseg-capture", daemon=True)

    def start(self) -> None:
        """Capture from now on: what comes before somebody takes frames is treated as what comes later."""
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
        """Stop capturing, close the source and wait for the thread."""
        self._end()
        self._source.close()
        if self._thread.is_alive():
            self._thread.join(_JOIN_S)

    def _make_room(self) -> None:
        """Called with the lock, before a frame is put in."""
        self._frames.clear()

    def _await_newer(self) -> None:
        """Called with the lock, when there is a frame: let it go for the next one, if that is all but here."""
        newest = self._frames[-1]
        self._rhythm.await_next(self._changed, lambda: self._frames[-1] is not newest or self._ended)

    def _capture(self) -> None:
        try:
            for frame in self._source:
                if not self._put(frame):
                    break
        except Exception as error:  # noqa: BLE001  whatever it is, the reader's loop raises it
            self._error = error
        finally:
            self._end()

    def _put(self, frame: Frame) -> bool:
        if self._expect:
            self._expect(frame)
        with self._changed:
            self._make_room()
            self._frames.append(frame)
            self._rhythm.came(perf_counter_ns())
            self._changed.notify_all()
            return not self._ended

    def _end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _take(self) -> Frame | None:
        """The next frame; waits for one; None at the end."""
        with self._changed:
            self._rhythm.asked(perf_counter_ns())
            while not self._changed.wait_for(lambda: self._frames or self._ended, _TICK_S):
                pass
            if self._frames:
                self._await_newer()
            self._rhythm.taken(perf_counter_ns())
            self._changed.notify_all()
            return self._frames.popleft() if self._frames else None


class ReadAhead(LatestFrame):
    """Reads a source in a thread of its own, a few frames ahead, and holds it up when those are waiting: no frame is lost."""

    def __init__(self, source: Source, depth: int = 8) -> None:
        super().__init__(source)
        self._depth = depth

    def _await_newer(self) -> None:
        """Each frame is wanted."""

    def _make_room(self) -> None:
        self._changed.wait_for(lambda: len(self._frames) < self._depth or self._ended)
