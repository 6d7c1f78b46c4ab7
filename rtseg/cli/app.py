"""The command line's frame: one application, whose errors are one clear line and a non-zero exit."""

import signal
import sys
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from typer.core import TyperGroup

from rtseg.cli.pixels import add_to
from rtseg.errors import RtsegError

_WIDEST = 400  # characters of a table
_OPENING = frozenset(  # the commands that open a source or a dataset, those of `rtseg bench` among them
    ["run", "build", "demo", "doctor", "eval", "gate", "measure", "quantize", "train", "engines", "loop", "speckle", "temporal"]
)
INTERRUPTED = 130  # the shell's exit code for Ctrl-C

console = Console()
_complaints = Console(stderr=True, soft_wrap=True)


class Commands(TyperGroup):
    """Runs a command and turns what it raises into one line and an exit code."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command, with `--max-pixels` where it opens a source or a dataset."""
        command = super().get_command(ctx, cmd_name)
        for one in (command, *getattr(command, "commands", {}).values()):
            if one is not None and one.name in _OPENING:
                add_to(one)
        return command

    def invoke(self, ctx: Any) -> Any:
        try:
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
    Console(width=max(console.width, needed)).print(table)


def main() -> None:
    """The `rtseg` command."""
    signal.signal(signal.SIGTERM, _terminate)
    app()


def _terminate(*_: object) -> NoReturn:
    """A polite kill ends like Ctrl-C, so that every sink finishes its file."""
    raise KeyboardInterrupt


def _complain(text: str) -> None:
    _complaints.print(text, style="red", markup=False, highlight=False)
