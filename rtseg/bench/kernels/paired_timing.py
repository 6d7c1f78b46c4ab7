"""Turns: our call and another one for the same work, timed alternately."""

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

BUDGET_NS = 400_000_000  # of one contest
TURNS = (3, 201)  # at the least and at the most


@dataclass(frozen=True, slots=True)
class Contest:
    """Our call and another one for the same work, and the bytes that it must read and write."""

    kernel: str
    theirs: str
    our_call: Call
    their_call: Call
    traffic: int


def alternate(contest: Contest) -> tuple[float, float]:
    """The medians in nanoseconds of our call and theirs, which take turns."""
    ours, theirs = take_turns(contest)
    return middle(ours), middle(theirs)


def take_turns(contest: Contest, clock: Clock = perf_counter_ns) -> tuple[Times, Times]:
    """The nanoseconds of our calls and theirs, which take turns; the first calls of each do not count."""
    once = _time(contest.our_call, clock) + _time(contest.their_call, clock)
    once = _time(contest.our_call, clock) + _time(contest.their_call, clock)
    turns = min(max(BUDGET_NS // max(once, 1), TURNS[0]), TURNS[1])
    ours, theirs = zip(*[(_time(contest.our_call, clock), _time(contest.their_call, clock)) for _ in range(turns)], strict=True)
    return ours, theirs


def least_on_one_core(contest: Contest) -> tuple[int, int]:
    """The least processor time of our call and theirs, in nanoseconds, each on one core: what other jobs spoil least."""
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
