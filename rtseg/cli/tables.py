"""Prints latency reports as tables."""

import math
from dataclasses import asdict

from rich.table import Table

from rtseg.histogram import PERCENTILES
from rtseg.text.safe_text import safe_text
from rtseg.trace import LatencyReport

COLUMNS = (*(f"p{percent:g}" for percent in PERCENTILES), "max", "mean")


def latency_table(report: LatencyReport, title: str) -> Table:
    """Return a table of each stage's percentiles in milliseconds; the caption counts processed, dropped and late frames."""
    counts = report.counts
    caption = f"{counts.frames} frames at {report.fps:.1f} fps, {counts.dropped} dropped, {counts.late} late"
    caption += f" (over {report.period_ns / 1e6:.1f} ms); warm-up of {counts.warmup} not counted; "
    caption += "the total counts from the moment the frame was read"
    caption += f"; memory: {_memory_states(report)}"
    table = Table(title=safe_text(title), caption=caption, title_justify="left", caption_justify="left")
    table.add_column("stage, ms")
    for name in COLUMNS:
        table.add_column(name, justify="right")
    for stage, histogram in report.ordered():
        figures = histogram.summary()
        table.add_row(stage, *("-" if math.isnan(figures[name]) else f"{figures[name]:.2f}" for name in COLUMNS))
    return table


def _memory_states(report: LatencyReport) -> str:
    """Return the number of frames of each lifecycle state, in the order of the states."""
    return ", ".join(f"{count} {name}" for name, count in asdict(report.memory).items() if count) or "no frame"
