"""The CPU: how a loop is compiled, and how its rows are shared between cores."""

import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeVar, cast

import numba
from numba.core import codegen, config

from rtseg.system import machine

WITHOUT_LOSS, WIDE = "+avx512vbmi2", "-prefer-256-bit"

F = TypeVar("F", bound=Callable[..., Any])

MOST_BANDS = 8  # memory bandwidth is spent long before more cores than these
LEAST_WORK = 100_000  # pixels of a band, about 40 microseconds: less of them is not worth a call
LEAST_BANDS, BANDS_A_CORE = 10, 4  # with fewer, 0.4 ms, most is done before another core is awake
LEAST_IN_COMPANY = 16  # where others want the cores: who comes late, or is sent away in mid-band, is waited for

_log = logging.getLogger(__name__)
_most, _least = [MOST_BANDS], [LEAST_BANDS]


def widen() -> None:
    """Let Numba make vectors of 512 bits where they cost no clock; NUMBA_CPU_NAME and NUMBA_CPU_FEATURES, if set, stand.

    It counts for all that this process compiles with Numba, unless it has begun to before. No result changes by it.
    """
    features = codegen.get_host_cpu_features()
    if config.CPU_FEATURES is None and config.CPU_NAME is None and WITHOUT_LOSS in features.split(","):
        config.CPU_FEATURES = f"{features},{WIDE}"


widen()  # before the first loop is compiled


def compiled(function: F) -> F:
    """Compile a loop with Numba, to the bit as it is written: no GIL, kept on disk, and no array made or returned in it.

    Not parallel=True: Numba's own threads abort the process when two of ours enter them.
    """
    return _compile(function)


def fused(function: F) -> F:
    """As `compiled`, but a product and a sum may become one instruction, which rounds once: where there is an atol for it."""
    return _compile(function, fastmath={"contract"})


def making(function: F) -> F:
    """As `compiled`, for what makes arrays or returns them."""
    return _compile(function, _nrt=True)


def _compile(function: F, **how: Any) -> F:
    # Numba counts who holds an array, at each view and each call, with atomic instructions that a short row feels (numba issues
    # 2345 and 2350). The arrays of a loop are held by its caller, so that nobody needs to count.
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False, **how}
    try:
        made = numba.njit(cache=True, **options)(function)
    except RuntimeError as error:  # Numba finds no folder that it may write to
        _log.warning("compiled kernels are not kept (%s): set NUMBA_CACHE_DIR to a folder that can be written", error)
        made = numba.njit(**options)(function)
    return cast(F, made)


def by_rows(rows: int, cost: int, work: Callable[[int, int], object]) -> None:
    """Call `work(first, end)` on bands that together are range(rows), on as many cores as the work is worth.

    cost: of a row, in pixels that a simple loop touches. The bands run at the same time: `work` releases the GIL and writes
    to its own rows alone. Whoever is free takes the next band, so that a core that is late, or busy with something else, is
    not waited for: it finds fewer bands left, or none.
    """
    worth = rows * cost // LEAST_WORK
    if worth < _least[0] or cores() == 1:
        work(0, rows)
        return
    count = min(rows, worth, BANDS_A_CORE * cores())
    bands = iter([(rows * band // count, rows * (band + 1) // count) for band in range(count)])

    def take() -> None:
        for band in bands:
            work(*band)

    others = [_pool().submit(take) for _ in range(min(count, cores()) - 1)]
    try:
        take()
    finally:
        list(bands)  # after an error here, nobody needs to begin the rest
        errors = [other.exception() for other in others if not other.cancel()]  # they still write to the caller's array
    for error in filter(None, errors):
        raise error


def cores() -> int:
    """The cores that a kernel uses."""
    return min(machine.cores(), _most[0])


def in_company() -> None:
    """From now on a decoder and an engine want the cores too: what is small stays on one."""
    _least[0] = LEAST_IN_COMPANY


@contextmanager
def at_most(count: int) -> Iterator[None]:
    """Let kernels use no more than `count` cores meanwhile, in all threads: for measurements."""
    before, _most[0] = _most[0], count
    try:
        yield
    finally:
        _most[0] = before


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MOST_BANDS - 1, thread_name_prefix="rtseg-kernels")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # threads do not survive a fork: the child makes its own
