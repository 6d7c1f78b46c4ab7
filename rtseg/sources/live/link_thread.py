"""Opens and reads a link in its own thread, so that a silent peer does not block the caller."""

import threading
from collections.abc import Callable
from contextvars import copy_context
from time import perf_counter_ns

from rtseg.errors import RtsegError, SourceError
from rtseg.frame import Frame, StreamInfo
from rtseg.sources.base import Source
from rtseg.sources.live.frame_pacing import FramePacer

_JOIN_S = 0.5  # a link that is blocked by a silent peer for longer is left to its own time-out


class LinkReader:
    """Opens one link and holds one frame until it is taken; the link blocks meanwhile, so that no queue grows.

    newest: the link does not block; a newer frame replaces the held one, which leaves a gap in the index. expect: called
    with each frame in the link's thread, before the frame can be taken. After `close` the thread ends, and closes the link,
    as soon as the link's own call returns.
    """

    def __init__(
        self, open_link: Callable[[], Source], *, newest: bool = False, expect: Callable[[Frame], None] | None = None
    ) -> None:
        self._open, self._newest, self._expect = open_link, newest, expect
        self._changed, self._pacer = threading.Condition(), FramePacer()
        self._link: Source | None = None
        self._frame: Frame | None = None
        self._error: Exception | None = None
        self._info: StreamInfo | None = None
        self._closed = self._is_ended = False
        self._thread = threading.Thread(target=copy_context().run, args=(self._run,), name="rtseg-link", daemon=True)
        self._thread.start()

    @property
    def link(self) -> Source | None:
        """Return the link, None until it is open."""
        return self._link

    def wait_until_open(self, timeout_s: float) -> StreamInfo:
        """Return the link's description once it is open.

        Raises SourceError after `timeout_s`, and what opening raised.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._info or self._is_ended or self._closed, timeout_s)
            if self._info is not None:
                return self._info
            self._raise_error()
        raise SourceError(f"no stream within {timeout_s:g} s: check that the peer sends, and the network between")

    def wait(self, timeout_s: float) -> bool:
        """Return whether a frame, the end, or an error is there to take within `timeout_s`."""
        with self._changed:
            self._pacer.work_finished(perf_counter_ns())
            return self._changed.wait_for(lambda: self._frame is not None or self._is_ended or self._closed, timeout_s)

    def take(self) -> Frame | None:
        """Return the held frame; None at the end. Raises what the link raised, after its last frame was taken."""
        with self._changed:
            if self._newest and (held := self._frame) is not None:
                self._pacer.wait_for_next(self._changed, lambda: self._frame is not held or self._is_ended or self._closed)
            frame, self._frame = self._frame, None
            self._pacer.work_started(perf_counter_ns())
            self._changed.notify_all()
            if frame is None and not self._closed:
                self._raise_error()
            return frame

    def keep_newest(self, expect: Callable[[Frame], None] | None = None) -> None:
        """Hold the newest frame from now on, so that the link never blocks.

        expect: called with each frame from now on, in the link's thread.
        """
        with self._changed:
            self._newest, self._expect = True, expect
            self._changed.notify_all()

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        try:
            if error is not None:
                raise error
        finally:
            del error  # else error and traceback form a cycle, which keeps this reader and its decoder

    def close(self) -> None:
        """Close the link and wake a blocked reader."""
        with self._changed:
            self._closed, link = True, self._link
            self._changed.notify_all()
        if link is not None:
            link.close()
        self.wait_until_ended(_JOIN_S)

    def wait_until_ended(self, timeout_s: float) -> bool:
        """Return whether the thread ends within `timeout_s`."""
        if self._thread is not threading.current_thread():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._read(self._open())
        except RtsegError as error:
            # Its traceback refers to this reader: that cycle would keep the decoder's memory until garbage collection.
            self._error = error.with_traceback(None)
        except Exception as error:  # noqa: BLE001  `wait_until_open` or `take` raises it
            self._error = error
        finally:
            with self._changed:
                self._is_ended = True
                self._changed.notify_all()

    def _read(self, link: Source) -> None:
        try:
            with self._changed:
                if self._closed:
                    return
                self._link, self._info = link, link.info
                self._changed.notify_all()
            for frame in link:
                if not self._deliver(frame):
                    return
        finally:
            link.close()

    def _deliver(self, frame: Frame) -> bool:
        """Hold the frame once the one before is taken; return false if the reader was closed meanwhile."""
        if self._expect:
            self._expect(frame)
        with self._changed:
            self._changed.wait_for(lambda: self._frame is None or self._newest or self._closed)
            self._frame = None if self._closed else frame
            self._pacer.frame_arrived(perf_counter_ns())
            self._changed.notify_all()
            return not self._closed
