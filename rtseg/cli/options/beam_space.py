"""The option `--beam-space`, which runs a network on the scan lines of a fan."""

from typing import Annotated, TypeAlias

import typer

from rtseg.session.beam_geometry import parse_geometry
from rtseg.session.beam_grid import BeamGeometry

BeamSpaceOption: TypeAlias = Annotated[
    str,
    typer.Option(
        "--beam-space",
        metavar="GEOMETRY",
        help="Run a network that was trained on scan lines on those of the fan: sector (the fan that is found on the screen), "
        "or a JSON file with the fan's apex, radii and angles.",
    ),
]


def beam_geometry(text: str) -> BeamGeometry | None:
    """Return the geometry that the option names, or None where it is empty. Raises ConfigError."""
    return parse_geometry(text) if text else None
