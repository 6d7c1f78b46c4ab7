"""The consoles that commands print to. Importing rich is slow, so only commands that print import this module."""

from rich.measure import Measurement
from rich.table import Table

from rtseg.cli.terminal import SafeConsole

_MAX_WIDTH = 400  # characters in a row of a table

console = SafeConsole()
error_console = SafeConsole(stderr=True, soft_wrap=True)


def show(table: Table) -> None:
    """Print a table at its full width, because a row that wraps can be read, and a number that is cut off cannot."""
    needed = Measurement.get(console, console.options.update(width=_MAX_WIDTH), table).maximum
    SafeConsole(width=max(console.width, needed)).print(table)
