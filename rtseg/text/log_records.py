"""Remove credentials and terminal control characters from the log records of rtseg and of the demo's server.

Each logger carries a filter of its own, because a filter of a parent logger does not see the records of its children, and
a record factory would change the records of the whole process.
"""

import logging
import traceback
from contextlib import suppress

from rtseg.text.credentials import shown_target, without_credentials
from rtseg.text.safe_text import printable, safe_text

_SERVER = ("uvicorn", "uvicorn.access", "uvicorn.asgi", "uvicorn.error", "asyncio")  # each logger that they write to
_ACCESS = "uvicorn.access"


class SafeRecordFilter(logging.Filter):
    """Makes the message and the traceback of every record of one logger safe to show; none is dropped."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record in place, and return True."""
        _make_safe(record)
        return True


class ServerRecordFilter(logging.Filter):
    """Removes credentials from the records of the demo's server, and leaves their arguments apart; none is dropped."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record in place, and return True."""
        _redact(record)
        return True


SAFE_RECORDS, SERVER_RECORDS = SafeRecordFilter(), ServerRecordFilter()  # one of each, since a logger adds a filter once


def get_logger(name: str) -> logging.Logger:
    """Return a logger of rtseg, whose records hold no credentials. name: the module's `__name__`."""
    log = logging.getLogger(name)
    log.addFilter(SAFE_RECORDS)
    return log


def redact_server_records() -> None:
    """Let the records of uvicorn and asyncio in this process be redacted too: `rtseg demo` runs them."""
    for name in _SERVER:
        logging.getLogger(name).addFilter(SERVER_RECORDS)


def _make_safe(record: logging.LogRecord) -> None:
    with suppress(TypeError, ValueError):  # a wrong format string: logging reports it itself
        record.msg, record.args = safe_text(record.getMessage()), ()
        _make_traceback_safe(record)


def _redact(record: logging.LogRecord) -> None:
    """Redact each argument by itself: uvicorn's formatters take them apart, and the third of an access is its target."""
    if isinstance(record.msg, str) and isinstance(record.args, tuple):
        record.msg = safe_text(record.msg)
        record.args = tuple(safe_text(one) if isinstance(one, str) else one for one in record.args)
        if record.name == _ACCESS and len(record.args) > 2:
            record.args = (*record.args[:2], shown_target(str(record.args[2])), *record.args[3:])
    _make_traceback_safe(record)


def _make_traceback_safe(record: logging.LogRecord) -> None:
    if record.exc_info and record.exc_info[1]:
        record.exc_text = printable(without_credentials("".join(traceback.format_exception(*record.exc_info)).rstrip()))
