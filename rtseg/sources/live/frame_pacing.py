"""Decides when a slow consumer of a live stream should wait for the next frame."""

from collections import deque
from collections.abc import Callable
from statistics import median
from threading import Condition
from time import perf_counter_ns

_WORTH = 0.25  # of a period: a longer wait would cost frames
_LATE = 0.06  # of a period: how late a frame may be and is still waited for
_NEWEST = 9  # periods, and work times, in each median


class Rhythm:
    """Measures when frames arrive and how long the work on one takes, in nanoseconds of one clock.

    A consumer slower than the stream always finds a frame, which is half a period old on average. If the next frame is due
    within a quarter of a period, its result is younger by more than the wait. A consumer that keeps up never waits, since
    it would lose a frame.
    """

    def __init__(self) -> None:
        self._periods, self._works = deque[int](maxlen=_NEWEST), deque[int](maxlen=_NEWEST)
        self._came_ns: int | None = None
        self._taken_ns: int | None = None

    def came(self, now_ns: int) -> None:
        """Record that a frame arrived."""
        if self._came_ns is not None:
            self._periods.append(now_ns - self._came_ns)
        self._came_ns = now_ns

    def taken(self, now_ns: int) -> None:
        """Record that the work on a frame begins."""
        self._taken_ns = now_ns

    def asked(self, now_ns: int) -> None:
        """Record that the work on the frame is done."""
        if self._taken_ns is not None:
            self._works.append(now_ns - self._taken_ns)
            self._taken_ns = None

    def await_next(self, changed: Condition, is_next: Callable[[], bool]) -> None:
        """Wait for the frame after the newest, for `max_wait_s` at most.

        changed: is locked by the caller, and notified of new frames. is_next: returns true once that frame arrived.
        """
        patience_s = self.patience_s(perf_counter_ns())
        if patience_s:
            changed.wait_for(is_next, patience_s)

    def patience_s(self, now_ns: int) -> float:
        """Return for how many seconds to wait for the frame after the newest; 0: take the newest at once."""
        if self._came_ns is None or not self._periods or not self._works:
            return 0.0
        period_ns = median(self._periods)
        due_ns = self._came_ns + period_ns - now_ns
        if median(self._works) <= period_ns or not 0 < due_ns <= _WORTH * period_ns:
            return 0.0
        return (due_ns + _LATE * period_ns) / 1e9
