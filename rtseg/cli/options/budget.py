"""`rtseg run --budget`: frames that are to be done in time."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from rtseg.budget import Budget, BudgetEvent, parse_budget
from rtseg.cli.app import console
from rtseg.engines.base import Engine
from rtseg.engines.load import PLAN, model_path
from rtseg.engines.reduced_input import ShrinkableEngine, shrinkable
from rtseg.frame import StreamInfo
from rtseg.result import Result
from rtseg.session.session import Session
from rtseg.sinks.base import Sink

BudgetOption: TypeAlias = Annotated[
    str,
    typer.Option(
        "--budget",
        help="For each frame, as 33ms: beyond it no speckle filter, then a smaller input, then the model every 2nd frame.",
    ),
]


class BudgetSink:
    """The last sink: it sees what a frame has cost, all others included."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    def open(self, info: StreamInfo) -> None:
        """Any stream will do."""

    def write(self, result: Result) -> None:
        """Let the budget look at it."""
        self._budget.observe(result)

    def close(self) -> None:
        """Nothing is held."""


def saving(engine: Engine, budget: str, model: str, threads: int, *, trusted: bool = False) -> Engine:
    """The engine, which can shrink its input where a budget is wanted and it can."""
    if not budget:
        return engine
    parse_budget(budget)
    return (Path(model).suffix != PLAN and shrinkable(engine, model_path(model), threads=threads, trusted=trusted)) or engine


def keeping(budget: str, session: Session, engine: Engine) -> list[Sink]:
    """What keeps a session within its budget, and tells each step; nothing where none is wanted."""
    if not budget:
        return []
    shrinks = engine if isinstance(engine, ShrinkableEngine) else None
    return [BudgetSink(Budget(session, parse_budget(budget), shrinks, _tell))]


def _tell(event: BudgetEvent) -> None:
    console.print(f"budget: {event}", style="yellow", highlight=False)
