"""Define the states of a live source's connection, and the events that report them."""

from dataclasses import dataclass
from enum import Enum


class LinkState(str, Enum):
    """Names the states of the connection between a live source and its sender."""

    OPENING = "opening"  # the first connection is being made
    LIVE = "live"  # frames arrive
    STALLED = "stalled"  # connected, but no new frame arrives
    DAMAGED = "damaged"  # connected, but frames depend on data that were lost
    LOST = "lost"  # the connection broke, or was given up after a timeout
    REOPENING = "reopening"  # another connection is being made
    ENDED = "ended"  # the stream ended, or was closed here
    FAILED = "failed"  # no further attempt is made


@dataclass(frozen=True, slots=True)
class ConnectionEvent:
    """Reports that a live source entered a state."""

    state: LinkState
    """The new state."""
    at_ns: int
    """Time on the `time.perf_counter_ns()` clock."""
    reason: str = ""
    """Reason in words, without credentials."""
