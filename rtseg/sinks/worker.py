"""Slow work on a thread of its own, behind a short queue."""

from collections.abc import Callable
from queue import Queue
from threading import Thread
from typing import Generic, TypeVar

T = TypeVar("T")


class Worker(Generic[T]):
    """Calls `work` for each item handed over, in order, with at most `depth` of them waiting.

    The first error of `work` is kept for `check` and `close` to raise; what comes after it is let go, so that `put` never
    waits for a thread that gave up. One thread alone hands items over.
    """

    def __init__(self, name: str, work: Callable[[T], None], depth: int) -> None:
        self._work = work
        self._queue: Queue[T | None] = Queue(depth)
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

    def _try(self, item: T) -> None:
        try:
            self._work(item)
        except BaseException as error:  # noqa: BLE001 - kept, and raised in the thread that handed the item over
            self._error = error
