"""What became of a live source's connection, and when."""

from dataclasses import dataclass
from enum import Enum


class LinkState(str, Enum):
    """How a live source stands with its peer."""

    OPENING = "opening"  # the first connection is being made
    LIVE = "live"  # frames come
    STALLED = "stalled"  # connected, and no new frame comes
    LOST = "lost"  # the connection broke, or was given up as dead
    REOPENING = "reopening"  # another connection is being made
    ENDED = "ended"  # the stream came to its end, or was closed here
    FAILED = "failed"  # there will be no other connection


@dataclass(frozen=True, slots=True)
class Event:
    """A live source came into a state: at_ns on the `time.perf_counter_ns()` clock, reason in words, without credentials."""

    state: LinkState
    at_ns: int
    reason: str = ""
