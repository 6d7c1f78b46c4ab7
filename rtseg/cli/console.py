"""The terminal that commands print to: rich costs a third of a start, so that only commands that print with it load it."""

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

_WIDEST = 400  # characters of a table

console = Console()
complaints = Console(stderr=True, soft_wrap=True)


def show(table: Table) -> None:
    """Print a table as wide as it must be: a line that a narrow terminal breaks can be read, a figure cut off cannot."""
    needed = Measurement.get(console, console.options.update(width=_WIDEST), table).maximum
    Console(width=max(console.width, needed)).print(table)
