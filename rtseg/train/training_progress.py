"""Shows the progress of a training with the time left: a bar on a terminal, else a plain line now and then."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_LINE_SECONDS = 30.0
_PARTS = 1000  # of a training


class TrainingProgress:
    """Shows the step, the loss, the held-out Dice and the time left; used as a context manager."""

    def __init__(self, done: float, console: Console | None = None) -> None:
        self._console = console or Console()
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        self._bar = Progress(*columns, console=self._console) if self._console.is_terminal else None
        self._task = self._bar.add_task("training", total=_PARTS) if self._bar else None
        self._first, self._began, self._told = done, time.monotonic(), 0.0
        self._dice: float | None = None

    def __enter__(self) -> "TrainingProgress":
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar:
            self._bar.stop()

    def show_dice(self, dice: float) -> None:
        """Take the newest held-out Dice, to be shown with the next step."""
        self._dice = dice

    def update(self, done: float, step: int, loss: float) -> None:
        """Show a step. done: the completed share of the training."""
        text = f"step {step} loss {loss:.3f}" + ("" if self._dice is None else f" held-out Dice {self._dice:.3f}")
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=int(_PARTS * done), description=text)
        elif time.monotonic() - self._told > _LINE_SECONDS or done >= 1:
            self._told = time.monotonic()
            self._console.print(f"{text}, {done:.0%} done{self._remaining(done)}", highlight=False, markup=False)

    def _remaining(self, done: float) -> str:
        if not self._first < done < 1:
            return ""
        seconds = (time.monotonic() - self._began) * (1 - done) / (done - self._first)
        return f", {seconds / 60:.0f} min left" if seconds > 90 else f", {seconds:.0f} s left"
