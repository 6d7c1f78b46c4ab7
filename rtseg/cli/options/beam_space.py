"""The option `--beam-space`, which runs a network on the scan lines of a fan."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from rtseg.errors import ConfigError
from rtseg.session.beam_geometry import BeamGeometry, parse_geometry

BeamSpaceOption: TypeAlias = Annotated[
    str,
    typer.Option(
        "--beam-space",
        metavar="GEOMETRY",
        help="Run a network that was trained on scan lines on those of the fan: sector (the fan that is found on the screen), "
        "or a JSON file with the fan's apex, radii and angles.",
    ),
]


def beam_geometry(text: str, record: Path | None) -> BeamGeometry | None:
    """Return the geometry that the option names, or None where it is empty. Raises ConfigError."""
    if text and record:
        raise ConfigError("a recording does not hold the beam geometry of --beam-space: leave out --record")
    return parse_geometry(text) if text else None
