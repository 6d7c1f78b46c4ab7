"""`rtseg run --budget`: reduces the work for each frame when it exceeds a time budget."""

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
        help="The time for each frame, as in 33ms. If frames take longer, rtseg drops the speckle filter, then shrinks the "
        "input, then runs the model on every 2nd frame.",
    ),
]


class BudgetSink:
    """Passes each result to the budget. As the last sink, it includes the time of all other sinks."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    def open(self, info: StreamInfo) -> None:
        """Do nothing; the budget takes any stream."""

    def write(self, result: Result) -> None:
        """Pass the result to the budget."""
        self._budget.observe(result)

    def close(self) -> None:
        """Do nothing; the sink holds no resources."""


def shrinkable_engine(engine: Engine, budget: str, model: str, threads: int, *, trusted: bool = False) -> Engine:
    """Return the engine, or with a budget one that can shrink its input, if the model allows that. Raises ConfigError."""
    if not budget:
        return engine
    parse_budget(budget)
    return (Path(model).suffix != PLAN and shrinkable(engine, model_path(model), threads=threads, trusted=trusted)) or engine


def budget_sinks(budget: str, session: Session, engine: Engine) -> list[Sink]:
    """Return the sink that enforces and reports the budget, in a list, or an empty list without a budget."""
    if not budget:
        return []
    shrinks = engine if isinstance(engine, ShrinkableEngine) else None
    return [BudgetSink(Budget(session, parse_budget(budget), shrinks, _print_event))]


def _print_event(event: BudgetEvent) -> None:
    console.print(f"budget: {event}", style="yellow", highlight=False)
