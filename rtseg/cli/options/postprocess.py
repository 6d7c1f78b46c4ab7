"""The option that cleans the masks of classes."""

from typing import Annotated, TypeAlias

import typer

from rtseg.engines.class_postprocess import EXAMPLE, ClassPostprocess, parse_class_postprocess
from rtseg.errors import ConfigError

PostprocessOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--postprocess",
        help="Clean the mask of a class, in pixels of the frame and in probabilities, instead of as its model says: "
        f"CLASS:OPTION,... as in {EXAMPLE}, or CLASS:none; give the option once for each class.",
    ),
]


def parse_postprocess(texts: list[str] | None) -> tuple[ClassPostprocess, ...]:
    """Return the post-processing of each class that is named. Raises ConfigError."""
    chosen = tuple(map(parse_class_postprocess, texts or ()))
    names = [one.name for one in chosen]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"--postprocess names {twice[0]!r} twice: give all of its options at once, as in {EXAMPLE}")
    return chosen
