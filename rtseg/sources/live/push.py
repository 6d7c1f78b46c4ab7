"""A live source whose frames are pushed by callbacks, such as those of ROS 2 or of a probe's SDK."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from time import perf_counter_ns

import numpy as np

from rtseg.connection import ConnectionEvent, LinkState
from rtseg.errors import ConfigError, SourceError
from rtseg.frame import Frame, Image, Origin, Spacing, StreamInfo, check_image
from rtseg.sources.base import DEFAULT_FPS, SourceDiagnostics, stream_info
from rtseg.sources.live.frame_pacing import FramePacer
from rtseg.sources.live.push_clock import PushClock
from rtseg.text.log_records import get_logger
from rtseg.text.safe_text import safe_text

_log = get_logger(__name__)

_STALLED_S = 1.0  # without a frame, as of the other live sources; three frame periods at least
_KEPT_EVENTS = 1000


class PushSource:
    """Is a live source of frames that the program pushes, from any thread.

    The newest frame wins, as in every live source: one that was not taken is replaced, which leaves a gap in the index and is
    counted as dropped. With the policies "all" and "block", and in a loop of one's own, `push` blocks instead until the frame
    before is taken; before the loop begins it never blocks.

    height, width: of the pictures in pixels; a frame of another size begins the stream anew. fps: frames a second. spacing_mm:
    millimeters per pixel (down, along). clock: the one that `captured_ns` is read from, in nanoseconds. Raises ConfigError.
    """

    def __init__(
        self,
        height: int,
        width: int,
        fps: float = DEFAULT_FPS,
        *,
        spacing_mm: Spacing | None = None,
        clock: Callable[[], int] = perf_counter_ns,
    ) -> None:
        if min(height, width) < 1:
            raise ConfigError(f"pictures of {width}x{height} pixels cannot be pushed: give a height and a width from 1")
        self._info = stream_info(height, width, fps, spacing_mm).as_live()
        self._clock, self._pushing = PushClock(clock), threading.Lock()
        self._changed, self._pacer = threading.Condition(), FramePacer()
        self._frame: Frame | None = None
        self._pushed, self._keeps_newest, self._is_read, self._closed = 0, False, False, False
        self._failure = ""
        self._expect: Callable[[Frame], None] | None = None
        self.events: deque[ConnectionEvent] = deque(maxlen=_KEPT_EVENTS)
        self.counts = dict.fromkeys(LinkState, 0)
        self._record(LinkState.OPENING, "")

    @property
    def info(self) -> StreamInfo:
        """Return the description of the stream."""
        return self._info

    @property
    def state(self) -> LinkState:
        """Return the present state of the stream."""
        return self.events[-1].state

    @property
    def reconnects(self) -> int:
        """Return 0, since nothing is opened again."""
        return 0

    def diagnostics(self) -> SourceDiagnostics:
        """Return what is known of the stream."""
        return SourceDiagnostics(format="pushed frames")

    def push(self, image: Image, captured_ns: int, *, spacing_mm: Spacing | None = None) -> bool:
        """Give the next frame, and return whether it was taken: False once the source is closed.

        image: (H, W) gray or (H, W, 3) RGB uint8, which is copied. captured_ns: when its pixels were ready, by the source's
        clock. spacing_mm: of this frame. Raises ImageError; WrongArgument and ConfigError, see `PushClock`.
        """
        check_image(image)
        if spacing_mm is not None:
            spacing_mm = stream_info(1, 1, DEFAULT_FPS, spacing_mm).spacing_mm
        with self._pushing:  # callbacks of several threads keep their order
            if self._closed:
                return False
            moment_ns = self._clock.monotonic_ns(captured_ns)
            origin = Origin(timestamp_ns=int(captured_ns), corrected_ns=moment_ns)
            frame = Frame(np.array(image, order="C"), self._pushed, moment_ns, origin, spacing_mm)
            self._pushed += 1
            return self._deliver(frame)

    def fail(self, reason: str) -> None:
        """End the stream by a SourceError, after its last frame; for a connection that the caller has lost."""
        with self._changed:
            self._failure = self._failure or reason
        self._end(LinkState.FAILED, reason)

    def close(self) -> None:
        """End the stream, from any thread; a blocked `push` returns, and closing twice is harmless."""
        with self._changed:
            self._frame = None
        self._end(LinkState.ENDED, "closed")

    def finish(self) -> None:
        """End the stream after the frame that was pushed last, from any thread."""
        self._end(LinkState.ENDED, "finished")

    def keep_newest(self, expect: Callable[[Frame], None] | None = None) -> None:
        """Let a newer frame replace one that was not taken, from now on, so that `push` never blocks.

        expect: called with each frame in the pushing thread, before the frame can be taken.
        """
        with self._changed:
            self._keeps_newest, self._expect = True, expect
            self._changed.notify_all()

    def __iter__(self) -> Iterator[Frame]:
        with self._changed:
            self._is_read = True
        while (frame := self._take()) is not None:
            yield frame
        if self._failure:
            raise SourceError(self._failure)

    def _deliver(self, frame: Frame) -> bool:
        """Hold a frame, in the place of an older one where the newest wins; return False if the source was closed meanwhile."""
        if self._expect:
            self._expect(frame)
        with self._changed:
            self._changed.wait_for(lambda: self._frame is None or not self._blocks or self._closed)
            if not self._closed:
                self._frame = frame
                self._pacer.frame_arrived(perf_counter_ns())
                self._changed.notify_all()
            return not self._closed

    @property
    def _blocks(self) -> bool:
        return self._is_read and not self._keeps_newest

    def _take(self) -> Frame | None:
        """Block until there is a frame and return it; None at the end."""
        stalled_s = max(_STALLED_S, 3 / self._info.fps)
        with self._changed:
            self._pacer.work_finished(perf_counter_ns())
            while not self._changed.wait_for(lambda: self._frame is not None or self._closed, stalled_s):
                self._record(LinkState.STALLED, f"no frame for {stalled_s:.1f} s")
            if self._keeps_newest and (held := self._frame) is not None:
                self._pacer.wait_for_next(self._changed, lambda: self._frame is not held or self._closed)
            frame, self._frame = self._frame, None
            self._pacer.work_started(perf_counter_ns())
            self._changed.notify_all()
        if frame is not None:
            self._record(LinkState.LIVE, f"{frame.width}x{frame.height}, {self._info.fps:.4g} fps")
        return frame

    def _end(self, state: LinkState, reason: str) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._record(state, reason)

    def _record(self, state: LinkState, reason: str) -> None:
        """Record a state, unless it is the present one or the stream is over."""
        with self._changed:
            before = self.events[-1].state if self.events else None
            if before is state or before in (LinkState.ENDED, LinkState.FAILED):
                return
            self.events.append(ConnectionEvent(state, perf_counter_ns(), safe_text(reason)))
            self.counts[state] += 1
        _log.info("the pushed frames are %s%s", state.value, f": {reason}" if reason else "")
