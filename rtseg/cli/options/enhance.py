"""The option that filters and enhances the network's view."""

from typing import Annotated, TypeAlias

import typer

from rtseg.session.enhancement import Enhancement, ViewFilter
from rtseg.session.speckle import FILTERS

EnhanceOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--speckle",
        "--enhance",
        help="Change the model's view first, in the order given: NAME[:STRENGTH] of "
        f"{', '.join(FILTERS)}; clahe:clip=2,tiles=8; log:60 (dB); persistence:0.5 (the weight of the new frame).",
    ),
]


def parse_enhancement(texts: list[str] | None) -> ViewFilter | None:
    """Return the filter of a session, or None if nothing is named. An empty text is left out. Raises ConfigError."""
    return Enhancement.parse([text for text in texts or () if text])
