"""Decides when a slow consumer of a live stream should wait for the next frame."""

from collections import deque
from collections.abc import Callable
from statistics import median
from threading import Condition
from time import perf_counter_ns

_MAX_WAIT = 0.25  # of a period: a longer wait would cost frames
_TOLERANCE = 0.06  # of a period: how late a frame may be and is still waited for
_HISTORY = 9  # periods, and work times, in each median


class FramePacer:
    """Measures when frames arrive and how long the work on one takes, in nanoseconds of one clock.

    A consumer slower than the stream always finds a frame, which is half a period old on average. If the next frame is due
    within a quarter of a period, its result is younger by more than the wait. A consumer that keeps up never waits, since
    it would lose a frame.
    """

    def __init__(self) -> None:
        self._periods, self._works = deque[int](maxlen=_HISTORY), deque[int](maxlen=_HISTORY)
        self._arrived_ns: int | None = None
        self._started_ns: int | None = None

    def frame_arrived(self, now_ns: int) -> None:
        """Record that a frame arrived."""
        if self._arrived_ns is not None:
            self._periods.append(now_ns - self._arrived_ns)
        self._arrived_ns = now_ns

    def work_started(self, now_ns: int) -> None:
        """Record that the work on a frame begins."""
        self._started_ns = now_ns

    def work_finished(self, now_ns: int) -> None:
        """Record that the work on the frame is done."""
        if self._started_ns is not None:
            self._works.append(now_ns - self._started_ns)
            self._started_ns = None

    def wait_for_next(self, changed: Condition, is_next: Callable[[], bool]) -> None:
        """Wait for the frame after the newest, for `max_wait_s` at most.

        changed: is locked by the caller, and notified of new frames. is_next: returns true once that frame arrived.
        """
        max_wait_s = self.max_wait_s(perf_counter_ns())
        if max_wait_s:
            changed.wait_for(is_next, max_wait_s)

    def max_wait_s(self, now_ns: int) -> float:
        """Return for how many seconds to wait for the frame after the newest; 0: take the newest at once."""
        if self._arrived_ns is None or not self._periods or not self._works:
            return 0.0
        period_ns = median(self._periods)
        due_ns = self._arrived_ns + period_ns - now_ns
        if median(self._works) <= period_ns or not 0 < due_ns <= _MAX_WAIT * period_ns:
            return 0.0
        return (due_ns + _TOLERANCE * period_ns) / 1e9
