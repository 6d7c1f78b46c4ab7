"""Remove credentials and terminal control characters from the log records of rtseg."""

import logging
import traceback
from typing import Any

from rtseg.text.credentials import without_credentials
from rtseg.text.safe_text import printable, safe_text

_PARENT = "rtseg"


def install() -> None:
    """Install a record factory that makes records of rtseg's loggers safe; other records stay unchanged."""
    before = logging.getLogRecordFactory()
    if getattr(before, "is_of_rtseg", False):
        return

    def make(*arguments: Any, **more: Any) -> logging.LogRecord:
        record = before(*arguments, **more)
        return _made_safe(record) if record.name.partition(".")[0] == _PARENT else record

    make.is_of_rtseg = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(make)


def _made_safe(record: logging.LogRecord) -> logging.LogRecord:
    try:
        record.msg, record.args = safe_text(record.getMessage()), ()
    except (TypeError, ValueError):  # a wrong format string: logging reports it itself
        return record
    if record.exc_info and record.exc_info[1]:
        record.exc_text = printable(without_credentials("".join(traceback.format_exception(*record.exc_info)).rstrip()))
    return record
