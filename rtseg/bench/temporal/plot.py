"""Plots the temporal stability of masks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rtseg.bench.plotting import Axes, canvas, save
from rtseg.bench.temporal.stabilizing import ALONE, BARE, STEADIED, TRUTH, Row

MEASURES = {
    "flicker": "flicker",
    "temporal_iou": "IoU in time",
    "area_jitter": "area jitter",
    "centroid_jerk_px": "centroid jerk, px",
    "dtssd": "dtSSD",
    "lag_frames": "lag, frames",
}
_COLOURS = {ALONE: "#d55e00", BARE: "#56b4e9", STEADIED: "#009e73", TRUTH: "#888888"}
_GREY = "#bbbbbb"


def plot_ways(groups: Mapping[str, Mapping[str, Row]], curves: Mapping[str, Any], title: str, path: Path) -> None:
    """Plot the metrics of each variant as bars, a row for each group of clips, and below them curves over a clip.

    groups: metrics by group and variant. curves: results of `variant_curves` by clip. path: of the PNG.
    Raises MissingExtra, ConfigError, SinkError.
    """
    rows = len(groups) + len(curves)
    figure = canvas(16, 3.2 * rows)
    figure.suptitle(title)
    grid = figure.add_gridspec(rows, len(MEASURES))
    for row, (name, ways) in enumerate(groups.items()):
        for column, (measure, heading) in enumerate(MEASURES.items()):
            _bars(figure.add_subplot(grid[row, column], title=heading), ways, measure)
        figure.axes[-len(MEASURES)].set_ylabel(name)
    for row, (name, ways) in enumerate(curves.items(), start=len(groups)):
        half = len(MEASURES) // 2
        _lines(figure.add_subplot(grid[row, :half], title=f"Dice: {name}", xlabel="frame"), ways, "dice")
        _lines(figure.add_subplot(grid[row, half:], title="area, share of the frame", xlabel="frame"), ways, "area")
    save(figure, path)


def _bars(axes: Axes, ways: Mapping[str, Row], measure: str) -> None:
    for name, row in ways.items():
        axes.barh(name, row.get(measure) or 0, color=_COLOURS.get(name, _GREY))
    axes.invert_yaxis()
    axes.tick_params(labelsize=7)
    if measure == "temporal_iou":
        axes.set_xlim(left=min(row.get(measure) or 1 for row in ways.values()) - 0.02, right=1)


def _lines(axes: Axes, ways: Mapping[str, Mapping[str, list[float]]], what: str) -> None:
    for name, values in ways.items():
        if not (name == TRUTH and what == "dice"):
            axes.plot(values[what], color=_COLOURS.get(name, _GREY), linewidth=1.2, label=name)
    axes.legend(fontsize=7)
