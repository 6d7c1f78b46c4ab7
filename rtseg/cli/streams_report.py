"""Prints how each of several streams ended, and the table of all."""

from collections.abc import Sequence
from math import isnan

from rich.table import Table

from rtseg.cli.app import console
from rtseg.cli.console import error_console
from rtseg.errors import RtsegError, StreamRefused
from rtseg.streams.stream import StreamOutcome
from rtseg.text.safe_text import safe_text
from rtseg.trace import LatencyReport


def print_end(outcome: StreamOutcome) -> None:
    """Print how a stream ended, with its name first; an error on standard error."""
    if isinstance(outcome.error, StreamRefused):
        print_line(outcome.name, f"left out: {outcome.error}", "yellow")
    elif outcome.error:
        text = str(outcome.error) if isinstance(outcome.error, RtsegError | OSError) else repr(outcome.error)
        error_console.print(safe_text(f"error: {outcome.name}: {text}"), style="red", highlight=False, markup=False)
    else:
        print_line(outcome.name, f"ended after {outcome.frames} frames", "")


def print_line(name: str, text: str, style: str) -> None:
    """Print one line about a stream."""
    console.print(safe_text(f"{name}: {text}"), style=style, highlight=False, markup=False)


def streams_table(outcomes: Sequence[StreamOutcome], models: Sequence[str]) -> Table:
    """Return a table with a row for each stream and model. models: their names, in order."""
    table = Table(title=f"{len(outcomes)} streams", title_justify="left", caption_justify="left")
    for column in ("stream", "model"):
        table.add_column(column)
    for column in ("frames", "fps", "p50 ms", "p99 ms", "dropped", "late"):
        table.add_column(column, justify="right")
    for outcome in outcomes:
        if outcome.pipeline:
            lead = outcome.pipeline
            reports = [lead.report, *(companion.report for companion in lead.companions)]
            for model, report in zip(models, reports, strict=True):
                table.add_row(safe_text(outcome.name), model, *_figures(report))
        else:
            table.add_row(safe_text(outcome.name), "-", "0", *["-"] * 5)
    return table


def _figures(report: LatencyReport) -> tuple[str, ...]:
    counts = report.counts
    p50, p99 = report.percentile_ms(50), report.percentile_ms(99)
    measured = ("-" if isnan(value) else f"{value:.1f}" for value in (report.fps, p50, p99))
    return (str(counts.frames + counts.warmup), *measured, str(counts.dropped), str(counts.late))
