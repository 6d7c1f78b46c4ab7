"""Counts the threads that were abandoned in an engine's call, and runs what opens an engine in a thread that can be abandoned.

No thread can be stopped from outside while it hangs in a library. So at most one may be left behind while the process goes on:
where a second one hangs, something is wrong with the machine, and no further engine is tried.
"""

from collections.abc import Callable
from contextvars import copy_context
from threading import Thread
from typing import TypeVar

from rtseg.errors import EngineTimeout

T = TypeVar("T")

OPEN_TIMEOUT_S = 120.0  # in which an engine must open: compiling a large network takes tens of seconds on a busy machine
MAX_HUNG_THREADS = 1  # with which the process goes on
_TICK_S = 0.5  # on Windows, Ctrl-C gets through between two ticks only
_INTERRUPTED_S = 1.0  # that the thread has left to return after Ctrl-C

_abandoned: list[Thread] = []


def abandon(thread: Thread) -> None:
    """Record that a thread hangs and is left behind."""
    _abandoned.append(thread)


def hung_threads() -> int:
    """Return the number of abandoned threads of this process whose call has not returned."""
    _abandoned[:] = [thread for thread in _abandoned if thread.is_alive()]
    return len(_abandoned)


def check_hung_threads(problem: EngineTimeout) -> None:
    """Raise EngineTimeout where so many threads hang that no other engine may be tried. problem: the newest one."""
    count = hung_threads()
    if count > MAX_HUNG_THREADS:
        what = str(problem).partition(":")[0]
        raise EngineTimeout(
            f"{what}, and an engine hung before, so that no other one is tried: start the program again, and look at the "
            f"drivers with `rtseg doctor` ({count} threads hang)"
        ) from problem


def open_in_time(opener: Callable[[], T], name: str, timeout_s: float | None = None) -> T:
    """Open an engine and return it, or raise what `opener` raises.

    name: the engine's. timeout_s: OPEN_TIMEOUT_S by default. Raises EngineTimeout where it does not open in time; what opens
    later is dropped.
    """
    limit_s = OPEN_TIMEOUT_S if timeout_s is None else timeout_s
    opened, errors, context = list[T](), list[BaseException](), copy_context()

    def run() -> None:
        try:
            opened.append(context.run(opener))
        except BaseException as error:  # noqa: BLE001  raised again in the calling thread
            errors.append(error)

    thread = Thread(target=run, name="rtseg-engine-open", daemon=True)
    thread.start()
    try:
        _join(thread, limit_s)
    except BaseException:  # Ctrl-C
        thread.join(_INTERRUPTED_S)
        if thread.is_alive():
            abandon(thread)
        raise
    if thread.is_alive():
        abandon(thread)
        raise EngineTimeout(
            f"the engine {name} did not open within {limit_s:g} s: name another one, as in --engine openvino,onnx"
        )
    if errors:
        try:
            raise errors[0]
        finally:
            errors.clear()  # it refers to this frame by its traceback
    return opened[0]


def _join(thread: Thread, limit_s: float) -> None:
    """Join a thread for a time that is counted in ticks, of which a process that is stopped meanwhile sees one."""
    tick_s = min(_TICK_S, limit_s / 4)
    for _ in range(round(limit_s / tick_s)):
        thread.join(tick_s)
        if not thread.is_alive():
            return
