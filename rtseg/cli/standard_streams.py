"""Prepares standard output and standard error for any text, and keeps credentials out of tracebacks."""

import sys
import traceback
from types import TracebackType

from rtseg.text.credentials import without_credentials
from rtseg.text.safe_text import printable


def prepare_streams() -> None:
    """Replace characters that the terminal cannot encode, and remove credentials from uncaught tracebacks."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    sys.excepthook = _show_uncaught


def _show_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    sys.stderr.write(printable(without_credentials("".join(traceback.format_exception(kind, error, trace)))))
