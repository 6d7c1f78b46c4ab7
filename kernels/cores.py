"""The CPU: how a loop is compiled, and how its rows are shared between cores."""

import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeVar, cast

import numba

from rtseg import machine

F = TypeVar("F", bound=Callable[..., Any])

MOST_BANDS = 8  # memory bandwidth is spent long before more cores than these
LEAST_WORK = 100_000  # pixels; below it, waking a thread costs more than it brings

_log = logging.getLogger(__name__)
_most = [MOST_BANDS]


def compiled(function: F) -> F:
    """Compile a loop with Numba, to the bit as it is written: no GIL, kept on disk.

    Not parallel=True: Numba's own threads abort the process when two of ours enter them.
    """
    return _compile(function, fastmath=False)


def fused(function: F) -> F:
    """As `compiled`, but a product and a sum may become one instruction, which rounds once: where there is an atol for it."""
    return _compile(function, fastmath={"contract"})


def _compile(function: F, fastmath: bool | set[str]) -> F:
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": fastmath}
    try:
        made = numba.njit(cache=True, **options)(function)
    except RuntimeError as error:  # Numba finds no folder that it may write to
        _log.warning("compiled kernels are not kept (%s): set NUMBA_CACHE_DIR to a folder that can be written", error)
        made = numba.njit(**options)(function)
    return cast(F, made)


def by_rows(rows: int, cost: int, work: Callable[[int, int], object]) -> None:
    """Call `work(first, end)` on bands that together are range(rows), on as many cores as the work is worth.

    cost: of a row, in pixels that a simple loop touches. The bands run at the same time: `work` releases the GIL and writes
    to its own rows alone. A band that no other core has begun when ours is done is done here, so that nobody waits for a
    core that is busy with something else.
    """
    worth = min(rows, rows * cost // LEAST_WORK + 1)
    count = min(cores(), worth) if worth > 1 else 1
    if count == 1:
        work(0, rows)
        return
    bands = [(rows * band // count, rows * (band + 1) // count) for band in range(count)]
    others = [_pool().submit(work, *band) for band in bands[1:]]
    try:
        work(*bands[0])
        for band, other in zip(bands[1:], others, strict=True):
            if other.cancel():
                work(*band)
    finally:
        begun = [other for other in others if not other.cancel()]
        wait(begun)  # whatever happened here: they still write to the caller's array
    for other in begun:
        other.result()


def cores() -> int:
    """The cores that a kernel uses."""
    return min(machine.cores(), _most[0])


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
