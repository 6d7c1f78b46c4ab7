"""The terminal: what is printed on it is text, whatever it holds, and never markup, a control sequence or a password."""

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
    """A console whose texts hold no markup: a style is given by `style=`, or by a `Text` in a table's cell.

    Credentials are left out of plain strings; who must show an address as it is gives a `Text`. What controls a terminal is
    replaced in everything that is printed.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print each string as one line: a line break in a name would let it say things of its own."""
        super().print(*(safe_text(one) if isinstance(one, str) else one for one in objects), **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a string as styled text, as every string that is printed, in a table or alone, becomes one."""
        return super().render_str(printable(without_credentials(text)), **options | {"markup": False, "emoji": False})

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield what stands on the terminal in the end; rich's own control segments stay."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)

    def status(self, status: RenderableType, **options: Any) -> Status:
        """Return a spinner beside a text, which is no markup."""
        return _PlainStatus(_plain(status), console=self, **options)


class _PlainStatus(Status):
    def update(self, status: RenderableType | None = None, **options: Any) -> None:
        super().update(None if status is None else _plain(status), **options)


def progress_bar(console: SafeConsole) -> Progress:
    """Return a transient bar whose descriptions are no markup."""
    description = TextColumn("{task.description}", style="progress.description", markup=False)
    columns = description, BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    return Progress(*columns, console=console, transient=True)


def _plain(text: RenderableType) -> RenderableType:
    return Text(printable(without_credentials(text))) if isinstance(text, str) else text
