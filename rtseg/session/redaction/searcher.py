"""Run searches for text: at once for a file, whose output must not depend on time, else in a thread behind the stream."""

from collections.abc import Callable
from threading import Thread
from typing import Generic, TypeVar

from rtseg.text.log_records import get_logger

T = TypeVar("T")
_log = get_logger(__name__)


class BackgroundTask(Generic[T]):
    """Runs one task at a time, at once or in a thread. A task that raises has no result, and the first one is logged.

    at_once: run each task inside `start`.
    """

    def __init__(self, *, at_once: bool) -> None:
        self._at_once = at_once
        self._thread: Thread | None = None
        self._result: T | None = None
        self.has_failed = False

    @property
    def is_running(self) -> bool:
        """Return whether a task is running, or its result was not taken yet."""
        return self._thread is not None or self._result is not None

    def start(self, task: Callable[[], T]) -> None:
        """Start a task while none is running."""
        if self._at_once:
            self._run(task)
            return
        self._thread = Thread(target=self._run, args=(task,), name="rtseg-redact", daemon=True)
        self._thread.start()

    def take(self) -> T | None:
        """Return the result of a task that ended, once; None while it is running, or where it failed."""
        if self._thread is not None:
            if self._thread.is_alive():
                return None
            self._thread.join()
            self._thread = None
        result, self._result = self._result, None
        return result

    def close(self) -> None:
        """Block until the running task ends, and drop its result."""
        if self._thread is not None:
            self._thread.join()
        self._thread = self._result = None

    def _run(self, task: Callable[[], T]) -> None:
        try:
            self._result = task()
        except Exception as error:  # noqa: BLE001  whatever went wrong, nothing was judged, and it stays black
            if not self.has_failed:
                _log.error("the search for text failed, so that what it would judge stays black: %s", error)
            self.has_failed = True
