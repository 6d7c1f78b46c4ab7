"""Defers SIGINT, SIGTERM and SIGHUP until a critical section is complete."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextmanager
def defer_interrupts() -> Iterator[None]:
    """Deliver interruptions after the block instead of within it; has no effect outside the main thread."""
    in_main = threading.current_thread() is threading.main_thread()
    found = {kind: signal.getsignal(kind) for kind in _SIGNALS} if in_main else {}
    handlers = {kind: handler for kind, handler in found.items() if callable(handler)}
    waiting: list[tuple[int, FrameType | None]] = []
    for kind in handlers:
        signal.signal(kind, lambda number, frame: waiting.append((number, frame)))
    try:
        yield
    finally:
        for kind, handler in handlers.items():
            signal.signal(kind, handler)
        for number, frame in waiting[:1]:
            handlers[signal.Signals(number)](number, frame)
