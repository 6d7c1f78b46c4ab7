"""Maps a source's timestamps to the local clock, without trusting them."""

from collections import deque

_WINDOW_NS = 10_000_000_000  # a drift of 100 ppm is one millisecond in this time
_JUMP_NS = 1_000_000_000


class SourceClock:
    """Maps a source's timestamps to `time.perf_counter_ns` by the minimum delay of the last ten seconds.

    A frame's delay is its arrival minus its timestamp: an unknown clock offset plus a transport time that is never
    negative. A timestamp that goes back, or runs ahead of time, by more than a second is a jump: the mapping restarts.
    jumps: how many.
    """

    def __init__(self) -> None:
        self._delays: deque[tuple[int, int]] = deque()  # (arrival, delay), both increasing: the first delay is the minimum
        self._last: tuple[int, int] | None = None  # (timestamp, arrival)
        self.jumps = 0

    def correct(self, timestamp_ns: int, arrived_ns: int) -> int:
        """Return a frame's capture time on the local clock in nanoseconds, never later than its arrival."""
        if self._has_jumped(timestamp_ns, arrived_ns):
            self.jumps += 1
            self._delays.clear()
        self._last = timestamp_ns, arrived_ns
        self._add(arrived_ns, arrived_ns - timestamp_ns)
        return timestamp_ns + self._delays[0][1]

    def _has_jumped(self, timestamp_ns: int, arrived_ns: int) -> bool:
        if self._last is None:
            return False
        told_ns, passed_ns = timestamp_ns - self._last[0], arrived_ns - self._last[1]
        return told_ns < -_JUMP_NS or told_ns > passed_ns + _JUMP_NS

    def _add(self, arrived_ns: int, delay_ns: int) -> None:
        while self._delays and self._delays[-1][1] >= delay_ns:
            self._delays.pop()
        self._delays.append((arrived_ns, delay_ns))
        while self._delays[0][0] < arrived_ns - _WINDOW_NS:
            self._delays.popleft()
