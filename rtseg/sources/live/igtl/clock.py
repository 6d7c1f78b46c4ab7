"""A peer's timestamps, on our clock."""

_JUMP_NS = 1_000_000_000
_DRIFT = 1e-4  # by which clocks may go apart: quartz keeps within a fifth of it


class PeerClock:
    """Knows how far a peer's clock is from `time.perf_counter_ns`, from when its messages arrived.

    The least time between a timestamp and its arrival is taken for the distance: what is more than that was spent on the way.
    A clock that jumps by a second or more begins anew.
    """

    def __init__(self) -> None:
        self._distance_ns: float | None = None
        self._arrived_ns = 0

    def on_ours(self, timestamp_ns: int, arrived_ns: int) -> int:
        """The moment of a timestamp on our clock; never later than its arrival."""
        distance_ns = arrived_ns - timestamp_ns
        if self._distance_ns is None or distance_ns - self._distance_ns > _JUMP_NS:
            self._distance_ns = distance_ns
        else:
            drifted_ns = self._distance_ns + _DRIFT * max(0, arrived_ns - self._arrived_ns)
            self._distance_ns = min(drifted_ns, distance_ns)
        self._arrived_ns = arrived_ns
        return min(arrived_ns, timestamp_ns + round(self._distance_ns))
