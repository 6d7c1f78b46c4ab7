"""Slow work on a thread of its own, behind a short queue."""

from collections.abc import Callable
from queue import Queue
from threading import Thread
from typing import Generic, TypeVar

T = TypeVar("T")
LOSS_S = 0.5  # of a stream, at the most, when the process is killed


def depth_for(fps: float, most: int, written_late: int) -> int:
    """The depth of a worker that leaves no more than LOSS_S unwritten, one frame in work counted; 0 at low rates.

    written_late: the frames that were worked off and are not in the file yet.
    """
    return max(0, min(most, int(fps * LOSS_S) - written_late - 1))


class Worker(Generic[T]):
    """Calls `work` for each item handed over, in order, with at most `depth` of them waiting; 0: `put` returns when it is done.

    The first error of `work` is kept for `check` and `close` to raise; what comes after it is let go, so that `put` never
    waits for a thread that gave up. One thread alone hands items over.
    """

    def __init__(self, name: str, work: Callable[[T], None], depth: int) -> None:
        self._work = work
        self._queue: Queue[T | None] = Queue(max(1, depth))
        self._in_step = depth < 1
        self._error: BaseException | None = None
        self._told = False
        self._thread = Thread(target=self._run, name=name, daemon=True)  # a forgotten close() must not keep the process alive
        self._thread.start()

    @property
    def full(self) -> bool:
        """Whether `put` would wait."""
        return self._queue.full()

    def put(self, item: T) -> None:
        """Hand one item over; waits while the queue is full. Raises what `work` raised."""
        self.check()
        self._queue.put(item)
        if self._in_step:
            self._queue.join()
            self.check()

    def check(self) -> None:
        """Raise what `work` raised, if it did."""
        if self._error is not None:
            self._told = True
            raise self._error

    def close(self) -> None:
        """Wait until all is done, and end the thread. Raises what `work` raised, unless that was raised before."""
        self._queue.put(None)
        self._thread.join()
        if not self._told:
            self.check()

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            if self._error is None:
                self._try(item)
            self._queue.task_done()

    def _try(self, item: T) -> None:
        try:
            self._work(item)
        except BaseException as error:  # noqa: BLE001 - kept, and raised in the thread that handed the item over
            self._error = error
