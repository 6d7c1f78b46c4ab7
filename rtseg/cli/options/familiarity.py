"""The option that measures unfamiliar pictures, and the messages about them."""

from typing import Annotated, TypeAlias

import typer

from rtseg.cli.app import console
from rtseg.trace import MemoryCounts

MeasureUnfamiliarOption: TypeAlias = Annotated[
    bool, typer.Option("--measure-unfamiliar", help="Measure also pictures unlike those that the model was made from.")
]


def print_familiarity(counts: MemoryCounts, *, is_measured: bool) -> None:
    """Print how many pictures were unfamiliar, and once where that is unknown. is_measured: whether they were measured."""
    if counts.unfamiliar:
        then = "" if is_measured else "; they are not measured, unless --measure-unfamiliar asks for it"
        console.print(f"unfamiliar to the model: {counts.unfamiliar} pictures{then}", style="yellow", highlight=False)
    if counts.unjudged:
        console.print(
            f"whether {counts.unjudged} pictures are familiar is unknown: the model has no calibration for this way of running "
            f"it (`rtseg calibrate` writes one)",
            highlight=False,
        )
