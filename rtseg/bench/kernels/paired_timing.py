"""Times two calls for the same work alternately, so that other load on the machine affects both."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median as middle
from time import perf_counter_ns, thread_time_ns

import cv2

from rtseg.kernels.runtime.cpu import at_most

Call = Callable[[], object]
Clock = Callable[[], int]
Times = Sequence[int]  # nanoseconds

BUDGET_NS = 400_000_000  # of one comparison
TURNS = (3, 201)  # minimum and maximum number of turns


@dataclass(frozen=True, slots=True)
class Contest:
    """Holds a call of a kernel and an alternative call for the same work."""

    kernel: str  # name of the kernel
    theirs: str  # description of the alternative
    our_call: Call
    their_call: Call
    traffic: int  # bytes that the work must read and write


def alternate(contest: Contest) -> tuple[float, float]:
    """Return the median nanoseconds of our call and of theirs, timed alternately."""
    ours, theirs = take_turns(contest)
    return middle(ours), middle(theirs)


def take_turns(contest: Contest, clock: Clock = perf_counter_ns) -> tuple[Times, Times]:
    """Time our call and theirs alternately and return the nanoseconds of each; the first two calls of each do not count."""
    once = _time(contest.our_call, clock) + _time(contest.their_call, clock)
    once = _time(contest.our_call, clock) + _time(contest.their_call, clock)
    turns = min(max(BUDGET_NS // max(once, 1), TURNS[0]), TURNS[1])
    ours, theirs = zip(*[(_time(contest.our_call, clock), _time(contest.their_call, clock)) for _ in range(turns)], strict=True)
    return ours, theirs


def least_on_one_core(contest: Contest) -> tuple[int, int]:
    """Return the minimum CPU time of our call and of theirs, in nanoseconds, each on one core.

    Of all measures, this one is least affected by other load on the machine.
    """
    with _one_core():
        ours, theirs = take_turns(contest, thread_time_ns)
    return min(ours), min(theirs)


@contextmanager
def _one_core() -> Iterator[None]:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with at_most(1):
            yield
    finally:
        cv2.setNumThreads(threads)


def _time(call: Call, clock: Clock) -> int:
    started_ns = clock()
    call()
    return clock() - started_ns
