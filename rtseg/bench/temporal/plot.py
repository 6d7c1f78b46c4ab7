"""Plots the temporal stability of masks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rtseg.bench.plotting import Axes, new_figure, save_png
from rtseg.bench.temporal.stabilizing import FRAME_BY_FRAME, GROUND_TRUTH, RECURRENT, STABILIZED, VariantMetrics

MEASURES = {
    "flicker": "flicker",
    "temporal_iou": "IoU in time",
    "area_jitter": "area jitter",
    "centroid_jerk_px": "centroid jerk, px",
    "dtssd": "dtSSD",
    "lag_frames": "lag, frames",
}
_COLORS = {FRAME_BY_FRAME: "#d55e00", RECURRENT: "#56b4e9", STABILIZED: "#009e73", GROUND_TRUTH: "#888888"}
_GRAY = "#bbbbbb"


def plot_variants(
    groups: Mapping[str, Mapping[str, VariantMetrics]], curves: Mapping[str, Any], title: str, path: Path
) -> None:
    """Plot the metrics of each variant as bars, a row for each group of clips, and below them curves over a clip.

    groups: metrics by group and variant. curves: results of `variant_curves` by clip. path: of the PNG.
    Raises MissingExtra, ConfigError, SinkError.
    """
    rows = len(groups) + len(curves)
    figure = new_figure(16, 3.2 * rows)
    figure.suptitle(title)
    grid = figure.add_gridspec(rows, len(MEASURES))
    for row, (name, variants) in enumerate(groups.items()):
        for column, (measure, heading) in enumerate(MEASURES.items()):
            _bars(figure.add_subplot(grid[row, column], title=heading), variants, measure)
        figure.axes[-len(MEASURES)].set_ylabel(name)
    for row, (name, variants) in enumerate(curves.items(), start=len(groups)):
        half = len(MEASURES) // 2
        _lines(figure.add_subplot(grid[row, :half], title=f"Dice: {name}", xlabel="frame"), variants, "dice")
        _lines(figure.add_subplot(grid[row, half:], title="area, share of the frame", xlabel="frame"), variants, "area")
    save_png(figure, path)


def _bars(axes: Axes, variants: Mapping[str, VariantMetrics], measure: str) -> None:
    for name, row in variants.items():
        axes.barh(name, row.get(measure) or 0, color=_COLORS.get(name, _GRAY))
    axes.invert_yaxis()
    axes.tick_params(labelsize=7)
    if measure == "temporal_iou":
        axes.set_xlim(left=min(row.get(measure) or 1 for row in variants.values()) - 0.02, right=1)


def _lines(axes: Axes, variants: Mapping[str, Mapping[str, list[float]]], what: str) -> None:
    for name, values in variants.items():
        if not (name == GROUND_TRUTH and what == "dice"):
            axes.plot(values[what], color=_COLORS.get(name, _GRAY), linewidth=1.2, label=name)
    axes.legend(fontsize=7)
