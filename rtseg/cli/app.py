"""The command line's frame: one application, whose errors are one clear line and a non-zero exit."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import typer
from rich.measure import Measurement
from rich.table import Table
from typer.core import TyperGroup

from rtseg.cli.terminal import SafeConsole, prepare
from rtseg.errors import RtsegError
from rtseg.safe_text import safe_text

_WIDEST = 400  # characters of a table
INTERRUPTED = 130  # the shell's exit code for Ctrl-C

console = SafeConsole()
_complaints = SafeConsole(stderr=True, soft_wrap=True)


class Commands(TyperGroup):
    """Runs a command and turns what it raises into one line and an exit code."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        with _words_made_safe():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            with _words_made_safe():
                return super().invoke(ctx)
        except (RtsegError, OSError) as error:
            _complain(f"error: {error}")
            sys.exit(1)
        except KeyboardInterrupt:
            _complain("stopped: what was written so far is kept")
            sys.exit(INTERRUPTED)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Segment live ultrasound video, with a memory of the frames before. Research software, not a medical device.",
)


def show(table: Table) -> None:
    """Print a table as wide as it must be: a line that a narrow terminal breaks can be read, a figure cut off cannot."""
    needed = Measurement.get(console, console.options.update(width=_WIDEST), table).maximum
    SafeConsole(width=max(console.width, needed)).print(table)


def main() -> None:
    """The `rtseg` command."""
    prepare()
    signal.signal(signal.SIGTERM, _terminate)
    app()


@contextmanager
def _words_made_safe() -> Iterator[None]:
    """Typer repeats a word that it does not know, which may be an address with a password."""
    try:
        yield
    except Exception as error:
        if isinstance(getattr(error, "message", None), str) and not isinstance(error, RtsegError):
            error.message = safe_text(error.message)  # type: ignore[attr-defined]
        raise


def _terminate(*_: object) -> NoReturn:
    """A polite kill ends like Ctrl-C, so that every sink finishes its file."""
    raise KeyboardInterrupt


def _complain(text: str) -> None:
    _complaints.print(safe_text(text), style="red", highlight=False)
