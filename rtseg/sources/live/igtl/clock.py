"""Maps a peer's timestamps to the local clock."""

_JUMP_NS = 1_000_000_000
_DRIFT = 1e-4  # by which clocks may drift apart: quartz stays within a fifth of it


class PeerClock:
    """Estimates a peer's clock offset to `time.perf_counter_ns` from the arrival of its messages.

    The offset is the minimum of arrival minus timestamp: whatever is more was spent in transit. A clock that jumps by a
    second or more restarts the estimate.
    """

    def __init__(self) -> None:
        self._distance_ns: float | None = None
        self._arrived_ns = 0

    def on_ours(self, timestamp_ns: int, arrived_ns: int) -> int:
        """Return the moment of a timestamp on the local clock in nanoseconds, never later than its arrival."""
        distance_ns = arrived_ns - timestamp_ns
        if self._distance_ns is None or distance_ns - self._distance_ns > _JUMP_NS:
            self._distance_ns = distance_ns
        else:
            drifted_ns = self._distance_ns + _DRIFT * max(0, arrived_ns - self._arrived_ns)
            self._distance_ns = min(drifted_ns, distance_ns)
        self._arrived_ns = arrived_ns
        return min(arrived_ns, timestamp_ns + round(self._distance_ns))
