"""Plots the loss of a training."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rtseg.errors import MissingExtra
from rtseg.output.atomic_file import write_or_refuse

try:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
except ImportError:
    raise MissingExtra("a training", "train") from None


def plot_curves(losses: Sequence[float], path: Path) -> None:
    """Plot the loss of each step and its running mean over 1/50 of the steps, into a PNG. Raises SinkError."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(xlabel="step", ylabel="loss", yscale="log")
    axes.plot(losses, alpha=0.3, label="each step")
    window = max(1, len(losses) // 50)
    mean = np.convolve(losses, np.ones(window) / window, "valid")
    axes.plot(np.arange(len(mean)) + window - 1, mean, label=f"mean of {window}")
    axes.legend()
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=120)
    write_or_refuse(path, drawn.getvalue())
