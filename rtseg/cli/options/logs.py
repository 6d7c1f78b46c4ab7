"""The options of `rtseg run` that choose which log records are printed, and in which form."""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Annotated

import typer

from rtseg.cli.app import console
from rtseg.text.safe_text import clean_values
from rtseg.wall_clock import utc_text

_SOURCES, _ALL = "rtseg.sources", "rtseg"  # loggers


class LogLevel(str, Enum):
    """Names the least important records that are printed."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(str, Enum):
    """Names the form of a log record."""

    TEXT = "text"  # for people, above the progress bar
    JSON = "json"  # one object a line, on standard error


@dataclass(frozen=True, slots=True)
class LogOptions:
    """Holds the options of the log; by default, the events of live sources are printed."""

    log_level: Annotated[
        LogLevel | None,
        typer.Option("--log-level", help="Print log records from this level on. Default: events of sources."),
    ] = None
    log: Annotated[
        LogFormat, typer.Option("--log", help="The form of log records: text, or json, one object a line on standard error.")
    ] = LogFormat.TEXT

    @contextmanager
    def printed(self) -> Iterator[None]:
        """Print the log records while the body runs."""
        is_default = self.log_level is None and self.log is LogFormat.TEXT
        level = logging.INFO if self.log_level is None else int(getattr(logging, self.log_level.name))
        handler = JsonLogHandler() if self.log is LogFormat.JSON else ConsoleLogHandler()
        with records_handled(_SOURCES if is_default else _ALL, level, handler):
            yield


class ConsoleLogHandler(logging.Handler):
    """Prints log records above the progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        style = "yellow" if record.levelno >= logging.WARNING else "dim"
        console.print(record.getMessage(), style=style, markup=False, highlight=False)


class JsonLogHandler(logging.Handler):
    """Writes each log record as one JSON object in a line of standard error: time, level, logger, message, error."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; its traceback, where it has one, is the `error`."""
        values = {
            "time": utc_text(int(record.created * 1e9)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        error = {"error": record.exc_text} if record.exc_text else {}
        sys.stderr.write(json.dumps(clean_values(values) | error) + "\n")
        sys.stderr.flush()


@contextmanager
def records_handled(name: str, level: int, handler: logging.Handler) -> Iterator[None]:
    """Pass the records of a logger to a handler while the body runs. level: of the least important ones."""
    log = logging.getLogger(name)
    before = log.level
    log.addHandler(handler)
    log.setLevel(level)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)


@contextmanager
def source_events_printed() -> Iterator[None]:
    """Print the connection events of live sources while the body runs."""
    with records_handled(_SOURCES, logging.INFO, ConsoleLogHandler()):
        yield
