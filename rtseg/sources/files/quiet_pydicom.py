"""Suppresses what pydicom and its decoders log and warn, since both quote a file's header."""

import logging
import threading
import warnings
from contextlib import ExitStack
from types import TracebackType


class PydicomSilence:
    """Disables pydicom's logger and Python's warnings while a thread is inside; used as a context manager.

    Both are settings of the process, so that threads share one silence: the first to enter saves the settings, and the last to
    leave restores them.
    """

    def __init__(self) -> None:
        self._lock, self._inside, self._restore = threading.Lock(), 0, ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._begin()
            self._inside += 1

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._restore.close()

    def _begin(self) -> None:
        log = logging.getLogger("pydicom")
        self._restore.callback(setattr, log, "disabled", log.disabled)
        log.disabled = True
        self._restore.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")


SILENCE = PydicomSilence()  # one, since the settings are the process's
