"""The options of `rtseg run` that limit a call to the engine and the age of an overlay."""

from typing import Annotated, TypeAlias

import typer

EngineTimeoutOption: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--engine-timeout",
        help="The seconds after which a call to the engine counts as hung and the next one of --engine takes over; 0: never. "
        "Default: 1 for live sources, 10 for files and the warm-up.",
    ),
]
MaxAgeOption: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--max-age",
        min=1,
        help="The age in milliseconds above which an overlay is faded and marked LATE. Default: twice the period of "
        "a live source, and at least 100; files are never late.",
    ),
]
