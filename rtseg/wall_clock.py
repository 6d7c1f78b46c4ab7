"""Define wall-clock time: the clock of a stream, paired once with the monotonic one, and times as text."""

from datetime import datetime, timezone
from time import perf_counter_ns, time_ns

_MICROSECOND_NS, _SECOND_NS = 1_000, 1_000_000_000


class WallClock:
    """Converts times of `time.perf_counter_ns()` to wall-clock time, by one pairing of both clocks when it is made.

    A stream needs one pairing: read for each frame, the wall clock would jump, also backwards, whenever somebody or a time
    server sets it. The intervals are those of the monotonic clock, whose rate the system adjusts like that of the wall clock.
    """

    __slots__ = ("_offset_ns",)

    def __init__(self) -> None:
        before_ns = perf_counter_ns()
        now_ns = time_ns()
        self._offset_ns = now_ns - (before_ns + perf_counter_ns()) // 2

    def at(self, monotonic_ns: int) -> int:
        """Return the wall-clock time, in nanoseconds since 1970 (UTC), of a `time.perf_counter_ns()`."""
        return monotonic_ns + self._offset_ns


def utc_text(wall_ns: int | None) -> str | None:
    """Return nanoseconds since 1970 as ISO 8601 in UTC, cut to microseconds: 2026-11-29T10:55:19.123456Z; None for None.

    None also for a time after the year 9999, which ISO 8601 and `datetime` do not hold.
    """
    if wall_ns is None:
        return None
    seconds, rest_ns = divmod(wall_ns, _SECOND_NS)
    try:
        whole = datetime.fromtimestamp(seconds, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return None
    return f"{whole.replace(tzinfo=None, microsecond=rest_ns // _MICROSECOND_NS).isoformat(timespec='microseconds')}Z"


def utc_now() -> str:
    """Return the present wall-clock time in the form of `utc_text`, for the header of a report."""
    return utc_text(time_ns()) or ""
