"""The options that stabilize masks in time."""

from dataclasses import dataclass
from typing import Annotated

import typer

from rtseg.session.stabilizer import DEFAULT_TEMPORAL, TemporalOptions


@dataclass(frozen=True, slots=True)
class StabilizationOptions:
    """Holds the options of temporal stabilization; the defaults are those of `DEFAULT_TEMPORAL`."""

    steady: Annotated[
        bool,
        typer.Option(
            "--steady/--no-steady", help="Stabilize the masks in time, with the best measured values of the next three options."
        ),
    ] = True
    smoothing: Annotated[
        float | None, typer.Option("--smoothing", help="The weight of earlier frames in a still picture, from 0 to 0.95.")
    ] = None
    hysteresis: Annotated[
        float | None,
        typer.Option("--hysteresis", help="Logits that are added to the class that a pixel had before, such as 1."),
    ] = None
    flow: Annotated[
        bool | None, typer.Option("--flow/--no-flow", help="Warp earlier frames by optical flow before they are averaged.")
    ] = None
    every: Annotated[
        int, typer.Option("--every", help="Run the model on every n-th frame, and warp its mask by optical flow between them.")
    ] = 1

    def options(self) -> TemporalOptions | None:
        """Return the options of the session, or None if nothing is stabilized. Raises ConfigError."""
        usual = DEFAULT_TEMPORAL if self.steady else TemporalOptions()
        options = TemporalOptions(
            usual.smoothing if self.smoothing is None else self.smoothing,
            usual.hysteresis if self.hysteresis is None else self.hysteresis,
            usual.flow if self.flow is None else self.flow,
            self.every,
        )
        return None if options == TemporalOptions() else options
