"""The terminal that commands print to: rich costs a third of a start, so that only commands that print with it load it."""

from rich.measure import Measurement
from rich.table import Table

from rtseg.cli.terminal import SafeConsole

_WIDEST = 400  # characters of a table

console = SafeConsole()
complaints = SafeConsole(stderr=True, soft_wrap=True)


def show(table: Table) -> None:
    """Print a table as wide as it must be: a line that a narrow terminal breaks can be read, a figure cut off cannot."""
    needed = Measurement.get(console, console.options.update(width=_WIDEST), table).maximum
    SafeConsole(width=max(console.width, needed)).print(table)
