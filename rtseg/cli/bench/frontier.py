"""`rtseg bench frontier`: plots Dice against latency."""

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from rtseg.bench.frontier import plot_frontier, read_points
from rtseg.cli.app import console


def draw_frontier(reports: Sequence[Path], out: Path) -> None:
    """Print the Dice and the latency of each network, and plot them to `out`."""
    found = read_points(reports)
    table = Table("model", "fastest on", "ms a frame", "Dice")
    for point in found:
        table.add_row(point.model, point.engine, f"{point.median_ms:.2f}", f"{point.dice:.4f}")
    console.print(table)
    plot_frontier(found, "Dice against latency", out)
    console.print(f"wrote {out}", highlight=False)
