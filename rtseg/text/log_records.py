"""Remove credentials and terminal control characters from the log records of rtseg and of the demo's server."""

import logging
import traceback
from typing import Any

from rtseg.text.credentials import shown_target, without_credentials
from rtseg.text.safe_text import printable, safe_text

_LOGGER = "rtseg"
_SERVER = ("uvicorn", "asyncio")
_ACCESS = "uvicorn.access"
_served: set[str] = set()  # the parents of loggers whose records are redacted too


def install_for_server() -> None:
    """Let the records of uvicorn and asyncio in this process be redacted too: `rtseg demo` runs them."""
    _served.update(_SERVER)


def install_log_records() -> None:
    """Install a record factory that makes records of rtseg's loggers safe; other records stay unchanged."""
    before = logging.getLogRecordFactory()
    if getattr(before, "is_of_rtseg", False):
        return

    def make(*arguments: Any, **more: Any) -> logging.LogRecord:
        record = before(*arguments, **more)
        parent = record.name.partition(".")[0]
        return _safe_record(record) if parent == _LOGGER else _redacted(record) if parent in _served else record

    make.is_of_rtseg = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(make)


def _safe_record(record: logging.LogRecord) -> logging.LogRecord:
    try:
        record.msg, record.args = safe_text(record.getMessage()), ()
    except (TypeError, ValueError):  # a wrong format string: logging reports it itself
        return record
    return _with_safe_traceback(record)


def _redacted(record: logging.LogRecord) -> logging.LogRecord:
    """Redact each argument by itself: uvicorn's formatters take them apart, and the third of an access is its target."""
    if isinstance(record.msg, str) and isinstance(record.args, tuple):
        record.msg = safe_text(record.msg)
        record.args = tuple(safe_text(one) if isinstance(one, str) else one for one in record.args)
        if record.name == _ACCESS and len(record.args) > 2:
            record.args = (*record.args[:2], shown_target(str(record.args[2])), *record.args[3:])
    return _with_safe_traceback(record)


def _with_safe_traceback(record: logging.LogRecord) -> logging.LogRecord:
    if record.exc_info and record.exc_info[1]:
        record.exc_text = printable(without_credentials("".join(traceback.format_exception(*record.exc_info)).rstrip()))
    return record
