"""The options by which masks are steadied in time."""

from dataclasses import dataclass
from typing import Annotated

import typer

from rtseg.session.stabilizer import STEADY, TemporalOptions


@dataclass(frozen=True, slots=True)
class Steadying:
    """What was measured best, by default; each single option changes that."""

    steady: Annotated[
        bool, typer.Option("--steady/--no-steady", help="Steady the masks in time: the three options below, as measured best.")
    ] = True
    smoothing: Annotated[float | None, typer.Option("--smoothing", help="The past's share in a still picture, 0 to 0.95.")] = (
        None
    )
    hysteresis: Annotated[
        float | None, typer.Option("--hysteresis", help="Logits by which a pixel keeps its class, such as 1.")
    ] = None
    flow: Annotated[bool | None, typer.Option("--flow/--no-flow", help="Carry the past along the motion before it counts.")] = (
        None
    )
    every: Annotated[int, typer.Option("--every", help="Run the model on each n-th frame, carry the mask between.")] = 1

    def options(self) -> TemporalOptions | None:
        """What was asked for; None where that is nothing, and the answers are taken as they are. Raises ConfigError."""
        usual = STEADY if self.steady else TemporalOptions()
        options = TemporalOptions(
            usual.smoothing if self.smoothing is None else self.smoothing,
            usual.hysteresis if self.hysteresis is None else self.hysteresis,
            usual.flow if self.flow is None else self.flow,
            self.every,
        )
        return None if options == TemporalOptions() else options
