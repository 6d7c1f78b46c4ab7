"""The CPU: how a loop is compiled, and how its rows are shared between cores."""

import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import lru_cache
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])

MOST_BANDS = 8  # memory bandwidth is spent long before more cores than these
LEAST_WORK = 100_000  # pixels; below it, waking a thread costs more than it brings

_log = logging.getLogger(__name__)


def compiled(function: F) -> F:
    """Compile a loop with Numba: no GIL, kept on disk.

    Not parallel=True: Numba's own threads abort the process when two of ours enter them.
    """
    try:
        made: Any = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError as error:  # Numba finds no folder that it may write to
        _log.warning("compiled kernels are not kept (%s): set NUMBA_CACHE_DIR to a folder that can be written", error)
        made = numba.njit(nogil=True, error_model="numpy")(function)
    return cast(F, made)


def by_rows(rows: int, width: int, work: Callable[[int, int], object]) -> None:
    """Call `work(first, end)` on bands that together are range(rows), on as many cores as rows x width pixels are worth.

    The bands run at the same time: `work` releases the GIL and writes to its own rows alone.
    """
    bands = min(cores(), rows, rows * width // LEAST_WORK + 1)
    edges = [rows * band // bands for band in range(bands + 1)]
    others = [_pool().submit(work, *edges[band : band + 2]) for band in range(1, bands)]
    try:
        work(edges[0], edges[1])
    finally:
        wait(others)  # whatever happened here: they still write to the caller's array
    for other in others:
        other.result()


def cores() -> int:
    """The cores this process may use, up to MOST_BANDS."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, MOST_BANDS)


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MOST_BANDS - 1, thread_name_prefix="rtseg-kernels")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # threads do not survive a fork: the child makes its own
