"""Checks the capture times of pushed frames, and maps them to the local monotonic clock."""

import operator
from collections.abc import Callable
from time import perf_counter_ns, time_ns
from typing import Any

from rtseg.errors import ConfigError, WrongArgument

MAX_AGE_NS = 5_000_000_000  # of a frame that is pushed: an older one is not live, or its clock is another
MAX_AHEAD_NS = 10_000_000  # by which a synchronized clock of another machine may be ahead
_UNITS = (("seconds", 1_000_000_000), ("milliseconds", 1_000_000), ("microseconds", 1_000))


class PushClock:
    """Maps times of the caller's clock to `time.perf_counter_ns()` by reading both clocks at each frame.

    clock: returns nanoseconds, such as `time.perf_counter_ns` itself, `time.time_ns`, or that of a ROS 2 node.
    """

    def __init__(self, clock: Callable[[], int] = perf_counter_ns) -> None:
        self._clock = clock
        self._last_ns: int | None = None

    def monotonic_ns(self, captured_ns: int) -> int:
        """Return the `time.perf_counter_ns()` of a capture time, which is never later than now.

        Raises WrongArgument for what is no whole number, and ConfigError for seconds in place of nanoseconds, another clock, a
        frame of more than MAX_AGE_NS, and a time before that of an earlier frame.
        """
        time = _whole(captured_ns)
        now_ns, monotonic_ns = _whole(self._clock()), perf_counter_ns()
        age_ns = now_ns - time
        unit = _other_unit(time, now_ns)
        if unit or not -MAX_AHEAD_NS <= age_ns <= MAX_AGE_NS:
            raise ConfigError(_complaint(time, age_ns, unit))
        if self._last_ns is not None and time < self._last_ns:
            raise ConfigError(f"captured_ns goes back by {(self._last_ns - time) / 1e6:.3f} ms: push frames in their order")
        self._last_ns = time
        return monotonic_ns - max(age_ns, 0)


def _whole(time: Any) -> int:
    """Return an int, or an integer of NumPy, as an int. Raises WrongArgument."""
    try:
        if isinstance(time, bool):
            raise TypeError
        return operator.index(time)
    except TypeError:
        raise WrongArgument(
            f"captured_ns is {time!r:.40}, and no whole number of nanoseconds: seconds become that by int(seconds * 1e9)"
        ) from None


def _other_unit(time: int, now_ns: int) -> str:
    """Return the unit in which a time is close to now, "" if it is none but nanoseconds."""
    tolerance_ns = min(MAX_AGE_NS, abs(now_ns) // 2)  # a simulated clock may begin at 0
    return next((name for name, factor in _UNITS if abs(time * factor - now_ns) < tolerance_ns), "")


def _complaint(time: int, age_ns: int, unit: str) -> str:
    if unit:
        return f"captured_ns is {time}, which is now in {unit}: give nanoseconds"
    wall_ns = time_ns()
    wall_unit = _other_unit(time, wall_ns)
    if wall_unit or abs(wall_ns - time) <= MAX_AGE_NS:
        remedy = f", in {wall_unit}: give nanoseconds" if wall_unit else ":"
        return f"captured_ns is {time}, which is wall-clock time{remedy} and make the source with clock=time.time_ns"
    seconds = abs(age_ns) / 1e9
    told = f"{seconds:.3f} s old" if age_ns > 0 else f"{seconds:.3f} s ahead"
    return f"captured_ns is {told} by the source's clock, time.perf_counter_ns() unless it was made with clock=: give that time"
