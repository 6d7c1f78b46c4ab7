"""The option that names what is measured."""

from typing import Annotated, TypeAlias

import typer

MeasureOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--measure",
        help="Measure this on each frame, instead of what the model names: hc, area, vessel_diameter and more, "
        "see docs/measures.md; NAME=CLASS where the class has another name; off for nothing. Give it once for each.",
    ),
]


def measure_names(texts: list[str] | None) -> list[str] | None:
    """Return the names for a session: None for those of the model, an empty list for "off"."""
    if not texts:
        return None
    return [] if [text.strip().lower() for text in texts] == ["off"] else texts
