"""Spaces the attempts to connect again, whatever broke the connection before."""

from random import Random

_STEADY_NS = 3_000_000_000  # a connection that lasted this long was a good one


class ReconnectPacing:
    """Gives the pause before each attempt: none before the first after a good connection, then ever longer ones.

    A connection that opens and breaks at once counts like an attempt that failed. With the defaults there are at most two
    attempts in the first second. first_s, longest_s: of the pauses. A random part of up to a quarter is taken off each, so
    that many clients of one peer do not return at once; seed: of that part.
    """

    def __init__(self, first_s: float, longest_s: float, seed: int | None) -> None:
        self._first_s, self._longest_s, self._random = first_s, longest_s, Random(seed)
        self._next_s = 0.0

    def connection_ended(self, lasted_ns: int) -> None:
        """Register that a connection broke."""
        if lasted_ns >= _STEADY_NS:
            self.reset()

    def reset(self) -> None:
        """Make the next attempt without a pause."""
        self._next_s = 0.0

    def take_pause_s(self) -> float:
        """Return the pause in seconds before the next attempt, which is about to be made."""
        pause_s = self._next_s * (1 - self._random.random() / 4)
        self._next_s = min(2 * self._next_s, self._longest_s) if self._next_s else self._first_s
        return pause_s
