"""Sets a variable of the process's environment for a library that reads nothing else, and restores it."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.RLock()  # one at a time, so that none restores what another has set


@contextmanager
def default_variable(name: str, value: str) -> Iterator[None]:
    """Set a variable inside the context, unless the process has set it itself; the environment is restored afterwards."""
    with _lock:
        if name in os.environ:
            yield
            return
        os.environ[name] = value
        try:
            yield
        finally:
            os.environ.pop(name, None)
