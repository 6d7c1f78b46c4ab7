"""Compiles loops with Numba and splits their rows between CPU cores."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, TypeVar, cast

import numba

from rtseg.kernels.runtime.vector_width import compile_wide
from rtseg.system import machine
from rtseg.text.log_records import get_logger

F = TypeVar("F", bound=Callable[..., Any])

MAX_BANDS = 8  # more cores than this gain nothing: the memory bandwidth is used up
MIN_BAND_PIXELS = 100_000  # pixels of a band, about 40 microseconds: smaller bands cost more than they save
MIN_BANDS = 10  # with less work, 0.4 ms, most is done before another core wakes up
BANDS_PER_CORE = 4  # a delayed core then leaves its bands to the others
MIN_BANDS_SHARED_CPU = 16  # while a decoder and an engine share the CPU: one preempted worker would stall the whole call

_log = get_logger(__name__)
_max_cores = ContextVar("rtseg_max_cores", default=MAX_BANDS)
_min_bands = ContextVar("rtseg_min_bands", default=MIN_BANDS)


def compiled(function: F) -> F:
    """Compile a loop with Numba, bit-exact, without the GIL and cached on disk; it must not allocate or return arrays.

    parallel=True is not used: Numba's own threads abort the process when two threads enter them.
    """
    return _compile(function)


def fused(function: F) -> F:
    """Compile as `compiled` does, but allow fused multiply-add, which rounds once: for kernels with an atol above 0."""
    return _compile(function, fastmath={"contract"})


def allocating(function: F) -> F:
    """Compile as `compiled` does, for functions that allocate or return arrays."""
    return _compile(function, _nrt=True)


def _compile(function: F, **how: Any) -> F:
    # _nrt=False: Numba's reference counting takes atomic instructions at each view and call, which short rows cannot afford
    # (numba issues 2345 and 2350). The caller holds a loop's arrays, so that counting is not needed.
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False, **how}
    try:
        made = numba.njit(cache=True, **options)(function)
    except RuntimeError as error:  # Numba finds no writable cache folder
        _log.warning("compiled kernels are not cached (%s): set NUMBA_CACHE_DIR to a folder that can be written", error)
        made = numba.njit(**options)(function)
    return cast(F, compile_wide(made))


def run_row_bands(rows: int, cost: int, work: Callable[[int, int], object]) -> None:
    """Call `work(first, end)` on bands that together cover range(rows), on as many cores as the work justifies.

    cost: of a row, in pixels that a simple loop touches. The bands run at the same time: `work` must release the GIL and write
    only to its own rows. Each free core takes the next band, so that a delayed core does not hold up the call.
    """
    worth = rows * cost // MIN_BAND_PIXELS
    if worth < _min_bands.get() or cores() == 1:
        work(0, rows)
        return
    count = min(rows, worth, BANDS_PER_CORE * cores())
    bands = iter([(rows * band // count, rows * (band + 1) // count) for band in range(count)])

    def take() -> None:
        for band in bands:
            work(*band)

    others = [_pool().submit(take) for _ in range(min(count, cores()) - 1)]
    try:
        take()
    finally:
        list(bands)  # after an error here, the remaining bands are dropped
        errors = [other.exception() for other in others if not other.cancel()]  # these still write to the array
    for error in filter(None, errors):
        raise error


def cores() -> int:
    """Return the number of cores that a kernel uses."""
    return min(machine.available_cores(), _max_cores.get())


def raise_parallel_threshold() -> None:
    """Keep small kernels on one core from now on in this context and the threads that rtseg starts in it.

    For a decoder and an engine that share the CPU.
    """
    _min_bands.set(MIN_BANDS_SHARED_CPU)


@contextmanager
def limit_cores(count: int) -> Iterator[None]:
    """Limit the kernels that are called inside the context to `count` cores: for measurements."""
    before = _max_cores.set(count)
    try:
        yield
    finally:
        _max_cores.reset(before)


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MAX_BANDS - 1, thread_name_prefix="rtseg-kernels")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # threads do not survive a fork: the child starts its own
