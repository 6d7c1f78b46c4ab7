"""Times two calls for the same work alternately, so that other load on the machine affects both."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median as middle
from time import perf_counter_ns, thread_time_ns

import cv2

from rtseg.kernels.runtime.cpu import limit_cores

Call = Callable[[], object]
Clock = Callable[[], int]
Times = Sequence[int]  # nanoseconds

BUDGET_NS = 400_000_000  # of one comparison
TURN_LIMITS = (3, 201)  # minimum and maximum number of turns


@dataclass(frozen=True, slots=True)
class KernelComparison:
    """Holds a call of a kernel and an alternative call for the same work."""

    kernel: str  # name of the kernel
    theirs: str  # description of the alternative
    our_call: Call
    their_call: Call
    traffic_bytes: int  # bytes that the work must read and write


def paired_medians(comparison: KernelComparison) -> tuple[float, float]:
    """Return the median nanoseconds of our call and of theirs, timed alternately."""
    ours, theirs = time_in_turns(comparison)
    return middle(ours), middle(theirs)


def time_in_turns(comparison: KernelComparison, clock: Clock = perf_counter_ns) -> tuple[Times, Times]:
    """Time our call and theirs alternately and return the nanoseconds of each; the first two calls of each do not count."""
    once = _time(comparison.our_call, clock) + _time(comparison.their_call, clock)
    once = _time(comparison.our_call, clock) + _time(comparison.their_call, clock)
    turns = min(max(BUDGET_NS // max(once, 1), TURN_LIMITS[0]), TURN_LIMITS[1])
    ours, theirs = zip(
        *[(_time(comparison.our_call, clock), _time(comparison.their_call, clock)) for _ in range(turns)], strict=True
    )
    return ours, theirs


def min_cpu_time_on_one_core(comparison: KernelComparison) -> tuple[int, int]:
    """Return the minimum CPU time of our call and of theirs, in nanoseconds, each on one core.

    Of all measures, this one is least affected by other load on the machine.
    """
    with _one_core():
        ours, theirs = time_in_turns(comparison, thread_time_ns)
    return min(ours), min(theirs)


@contextmanager
def _one_core() -> Iterator[None]:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with limit_cores(1):
            yield
    finally:
        cv2.setNumThreads(threads)


def _time(call: Call, clock: Clock) -> int:
    started_ns = clock()
    call()
    return clock() - started_ns
