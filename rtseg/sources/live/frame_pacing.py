"""The rhythm of a live stream that is worked on more slowly than it comes: when the next frame is worth a wait."""

from collections import deque
from collections.abc import Callable
from statistics import median
from threading import Condition
from time import perf_counter_ns

_WORTH = 0.25  # of a period: whoever waited longer would show fewer frames for it
_LATE = 0.06  # of a period: a frame that is later than this is not waited for
_NEWEST = 9  # periods, and times of work, whose median counts


class Rhythm:
    """Knows when frames come and when they are worked on, in nanoseconds of one clock.

    Whoever is slower than the stream finds a frame each time he asks, which is half a period old on average. Where the next
    one is due within a quarter of a period, it is the better one: what comes of it is younger by more than the wait. Whoever
    keeps up is never told to wait, since he would lose a frame by it.
    """

    def __init__(self) -> None:
        self._periods, self._works = deque[int](maxlen=_NEWEST), deque[int](maxlen=_NEWEST)
        self._came_ns: int | None = None
        self._taken_ns: int | None = None

    def came(self, now_ns: int) -> None:
        """A frame is here."""
        if self._came_ns is not None:
            self._periods.append(now_ns - self._came_ns)
        self._came_ns = now_ns

    def taken(self, now_ns: int) -> None:
        """Work on a frame begins."""
        self._taken_ns = now_ns

    def asked(self, now_ns: int) -> None:
        """Work on the frame is done."""
        if self._taken_ns is not None:
            self._works.append(now_ns - self._taken_ns)
            self._taken_ns = None

    def await_next(self, changed: Condition, is_next: Callable[[], bool]) -> None:
        """Wait, with the lock of `changed` held, until the frame after the newest is here, as long as it is worth it."""
        patience_s = self.patience_s(perf_counter_ns())
        if patience_s:
            changed.wait_for(is_next, patience_s)

    def patience_s(self, now_ns: int) -> float:
        """For how many seconds the frame after the newest is worth waiting for; 0: the newest is to be taken at once."""
        if self._came_ns is None or not self._periods or not self._works:
            return 0.0
        period_ns = median(self._periods)
        due_ns = self._came_ns + period_ns - now_ns
        if median(self._works) <= period_ns or not 0 < due_ns <= _WORTH * period_ns:
            return 0.0
        return (due_ns + _LATE * period_ns) / 1e9
