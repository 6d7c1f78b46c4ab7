"""Prepares standard output and standard error for any text, and keeps credentials out of tracebacks."""

import sys
import threading
import traceback
from types import TracebackType

from rtseg.text.credentials import without_credentials
from rtseg.text.safe_text import printable


def prepare_streams() -> None:
    """Replace characters that the terminal cannot encode, and remove credentials from uncaught tracebacks."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    sys.excepthook = _print_uncaught
    threading.excepthook = _show_uncaught_in_thread
    sys.unraisablehook = _show_unraisable


def _print_uncaught(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None, head: str = ""
) -> None:
    if sys.stderr is not None:  # a thread may end after it was closed
        text = head + "".join(traceback.format_exception(kind, error, trace))
        sys.stderr.write(printable(without_credentials(text)))


def _show_uncaught_in_thread(event: threading.ExceptHookArgs) -> None:
    if event.exc_type is not SystemExit:
        name = event.thread.name if event.thread else "that has ended"
        _print_uncaught(event.exc_type, event.exc_value, event.exc_traceback, f"Exception in thread {name}:\n")


def _show_unraisable(event: "sys.UnraisableHookArgs") -> None:
    head = f"{event.err_msg or 'Exception ignored in'}: {event.object!r}\n"
    _print_uncaught(event.exc_type, event.exc_value, event.exc_traceback, head)
