"""Run slow work, such as encoding, in a thread behind a bounded queue."""

from collections.abc import Callable
from queue import Queue
from threading import Thread
from typing import Generic, TypeVar

T = TypeVar("T")
MAX_LOSS_S = 0.5  # maximum loss of a stream when the process is killed


def queue_depth(fps: float, max_depth: int, encoder_delay: int) -> int:
    """Return the queue depth that leaves at most MAX_LOSS_S unwritten, with one frame in work; 0 at low rates.

    max_depth: upper limit. encoder_delay: number of frames that are encoded but not yet in the file.
    """
    return max(0, min(max_depth, int(fps * MAX_LOSS_S) - encoder_delay - 1))


class Worker(Generic[T]):
    """Calls `work` for each item, in order, in a thread of its own, with at most `depth` items queued.

    With a depth of 0, `put` returns when the item is done. The first error of `work` is stored, and raised by `put`, `check`
    and `close`; later items are discarded, so that `put` never blocks on a failed worker. Only one thread may call `put`.
    """

    def __init__(self, name: str, work: Callable[[T], None], depth: int) -> None:
        self._work = work
        self._queue: Queue[T | None] = Queue(max(1, depth))
        self._is_synchronous = depth < 1
        self._error: BaseException | None = None
        self._was_raised = False
        self._thread = Thread(target=self._run, name=name, daemon=True)  # a missing close() must not keep the process alive
        self._thread.start()

    @property
    def is_full(self) -> bool:
        """Return whether `put` would block."""
        return self._queue.full()

    def put(self, item: T) -> None:
        """Queue one item; block while the queue is full. Raises the stored error of `work`."""
        self.check()
        self._queue.put(item)
        if self._is_synchronous:
            self._queue.join()
            self.check()

    def check(self) -> None:
        """Raise the stored error of `work`, if any."""
        if self._error is not None:
            self._was_raised = True
            raise self._error

    def close(self) -> None:
        """Drain the queue and end the thread. Raises the stored error of `work`, unless it was raised before."""
        self._queue.put(None)
        self._thread.join()
        if not self._was_raised:
            self.check()

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            if self._error is None:
                self._try(item)
            self._queue.task_done()

    def _try(self, item: T) -> None:
        try:
            self._work(item)
        except BaseException as error:  # noqa: BLE001 - stored, and raised in the thread that calls `put`
            self._error = error
