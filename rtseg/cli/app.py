"""The command line's frame: one application, whose errors are one clear line and a non-zero exit."""

import sys
from typing import Any

import typer
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from typer.core import TyperGroup

from rtseg import atomic_file, output
from rtseg.cli.signals import INTERRUPTED, handle_signals
from rtseg.errors import RtsegError

_WIDEST = 400  # characters of a table

console = Console()
_complaints = Console(stderr=True, soft_wrap=True)


class Commands(TyperGroup):
    """Runs a command and turns what it raises into one line and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (RtsegError, OSError) as error:
            _complain(f"error: {error}")
            sys.exit(1)
        except KeyboardInterrupt:
            _complain("stopped: what was written so far is kept")
            sys.exit(INTERRUPTED)
        finally:
            atomic_file.release()
            output.set_mode()


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
    Console(width=max(console.width, needed)).print(table)


def main() -> None:
    """The `rtseg` command."""
    handle_signals()
    app()


def _complain(text: str) -> None:
    _complaints.print(text, style="red", markup=False, highlight=False)
