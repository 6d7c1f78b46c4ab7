"""The option of `rtseg run` for folders and series of which a part cannot be read, and what is printed about such a part."""

from collections.abc import Iterable
from typing import Annotated, TypeAlias

import typer

from rtseg.cli.app import console
from rtseg.errors import SourceError
from rtseg.sinks.base import Sink
from rtseg.sinks.jsonl import JsonSink
from rtseg.sources import Source
from rtseg.sources.base import omitted_parts
from rtseg.text.safe_text import safe_text

_SHOWN = 10  # names that are printed

StrictOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Stop with an error where a file of a folder or a part of a series cannot be read; else it is left out, named at "
        "the end, and the exit status is 3.",
    ),
]


def report_omissions(sinks: Iterable[Sink], source: Source) -> None:
    """Have the JSON lines end with what the source has left out."""
    for sink in sinks:
        if isinstance(sink, JsonSink):
            sink.omitted = omitted_parts(source)


def check_strict(source: Source, *, strict: bool) -> None:
    """Raise SourceError where `strict` is set and something was left out so far."""
    parts = omitted_parts(source)
    if strict and parts:
        raise SourceError(f"{parts[0].name} cannot be read ({parts[0].reason}); leave --strict out to go on without it")


def print_omitted(source: Source) -> None:
    """Print the number and the names of what was left out."""
    parts = omitted_parts(source)
    if not parts:
        return
    names = ", ".join(part.name for part in parts[:_SHOWN]) + (", ..." if len(parts) > _SHOWN else "")
    words = f"{len(parts)} of the source's parts could not be read and were left out: {names}"
    console.print(safe_text(words), style="yellow", markup=False, highlight=False)
