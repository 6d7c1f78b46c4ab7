"""Consoles and progress bars that print every string as plain text, without markup, control sequences or passwords."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.segment import Segment
from rich.status import Status
from rich.text import Text

from rtseg.text.credentials import without_credentials
from rtseg.text.safe_text import printable, safe_text


class SafeConsole(Console):
    """Prints strings without interpreting markup; a style is set by `style=`, or by a `Text` in a table's cell.

    Credentials are removed from plain strings; a `Text` is printed with them. Control characters are replaced in everything
    that is printed.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print each string as one line, because a line break in a file name could forge a line of output."""
        super().print(*(safe_text(one) if isinstance(one, str) else one for one in objects), **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Convert a string to styled text; rich calls this for every string, in a table or alone."""
        return super().render_str(printable(without_credentials(text)), **options | {"markup": False, "emoji": False})

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the rendered segments with control characters replaced; rich's own control segments are kept."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)

    def status(self, status: RenderableType, **options: Any) -> Status:
        """Return a spinner beside a text, in which markup is not interpreted."""
        return _PlainStatus(_plain_text(status), console=self, **options)


class _PlainStatus(Status):
    def update(self, status: RenderableType | None = None, **options: Any) -> None:
        super().update(None if status is None else _plain_text(status), **options)


def progress_bar(console: SafeConsole) -> Progress:
    """Return a transient progress bar that does not interpret markup in its descriptions."""
    description = TextColumn("{task.description}", style="progress.description", markup=False)
    columns = description, BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    return Progress(*columns, console=console, transient=True)


def _plain_text(text: RenderableType) -> RenderableType:
    return Text(printable(without_credentials(text))) if isinstance(text, str) else text
