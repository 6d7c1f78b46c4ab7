"""The option of `rtseg run` that writes to sinks of plug-ins."""

from collections.abc import Sequence
from typing import Annotated, TypeAlias

import typer

from rtseg.cli.app import console
from rtseg.sinks.base import Sink
from rtseg.sinks.plugin_sink import failures_of, open_plugin_sink

SinkOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--sink", help="Write to this sink of a plug-in too: NAME or NAME=ARGUMENT; `rtseg doctor` lists them."),
]


def plugin_sinks(texts: Sequence[str] | None) -> list[Sink]:
    """Return the sinks that the option names. Raises ConfigError, PluginError."""
    return [open_plugin_sink(text) for text in texts or ()]


def print_failed_sinks(sinks: Sequence[Sink]) -> bool:
    """Print which sinks of plug-ins have failed, and return whether any has."""
    failures = failures_of(tuple(sinks))
    for failure in failures:
        console.print(failure, style="yellow", markup=False, highlight=False)
    return bool(failures)
