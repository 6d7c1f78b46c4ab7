"""Maps a peer's timestamps to the local clock."""

_JUMP_NS = 1_000_000_000
_DRIFT = 1e-4  # by which clocks may drift apart: quartz stays within a fifth of it


class ClockOffset:
    """Estimates a peer's clock offset to `time.perf_counter_ns` from the arrival of its messages.

    The offset is the minimum of arrival minus timestamp: whatever is more was spent in transit. A clock that jumps by a
    second or more restarts the estimate.
    """

    def __init__(self) -> None:
        self._offset_ns: float | None = None
        self._arrived_ns = 0

    def to_local(self, timestamp_ns: int, arrived_ns: int) -> int:
        """Return the moment of a timestamp on the local clock in nanoseconds, never later than its arrival."""
        offset_ns = arrived_ns - timestamp_ns
        if self._offset_ns is None or offset_ns - self._offset_ns > _JUMP_NS:
            self._offset_ns = offset_ns
        else:
            drifted_ns = self._offset_ns + _DRIFT * max(0, arrived_ns - self._arrived_ns)
            self._offset_ns = min(drifted_ns, offset_ns)
        self._arrived_ns = arrived_ns
        return min(arrived_ns, timestamp_ns + round(self._offset_ns))
