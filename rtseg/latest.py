"""A one-slot mailbox between the thread that captures and the one that works: the newest frame wins."""

import threading
from collections.abc import Iterator

from rtseg.frame import Frame
from rtseg.sources.base import Source

_JOIN_S = 5.0  # a source that does not let go of its frame after this long is left to its daemon thread


class LatestFrame:
    """Reads a live source in a thread of its own and gives the newest frame each time.

    A frame that was overwritten before anybody took it leaves a gap in `Frame.index`. What the source raises is raised in the
    reader's loop, after the last good frame.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._changed = threading.Condition()
        self._slot: Frame | None = None
        self._ended = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._capture, name="rtseg-capture", daemon=True)

    def __iter__(self) -> Iterator[Frame]:
        self._thread.start()
        try:
            while (frame := self._take()) is not None:
                yield frame
        finally:
            self.close()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Stop capturing, close the source and wait for the thread."""
        with self._changed:
            self._ended = True
        self._source.close()
        if self._thread.is_alive():
            self._thread.join(_JOIN_S)

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
        with self._changed:
            self._slot = frame
            self._changed.notify()
            return not self._ended

    def _end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify()

    def _take(self) -> Frame | None:
        """The newest frame; waits for one; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._slot is not None or self._ended)
            frame, self._slot = self._slot, None
            return frame
