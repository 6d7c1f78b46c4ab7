"""Plots and tabulates the loss and the held-out Dice of a training."""

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


def curves_table(losses: Sequence[float], dice: Sequence[tuple[int, float]]) -> str:
    """Return the loss and the held-out Dice by step as CSV; the Dice is empty where it was not measured."""
    measured = dict(dice)
    rows = [f"{step},{loss},{measured.get(step, '')}" for step, loss in enumerate(losses, start=1)]
    return "\n".join(["step,loss,held_out_dice", *rows]) + "\n"


def plot_curves(losses: Sequence[float], dice: Sequence[tuple[int, float]], path: Path) -> None:
    """Plot the loss, its running mean over 1/50 of the steps, and the held-out Dice into a PNG. Raises SinkError."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(xlabel="step", ylabel="loss", yscale="log")
    axes.plot(losses, alpha=0.3, label="each step")
    window = max(1, len(losses) // 50)
    mean = np.convolve(losses, np.ones(window) / window, "valid")
    axes.plot(np.arange(len(mean)) + window - 1, mean, label=f"mean of {window}")
    axes.legend()
    if dice:
        right = axes.twinx()
        right.set_ylabel("held-out Dice")
        right.plot(*zip(*dice, strict=True), "k.-", label="held-out Dice")
        right.legend(loc="lower left")
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=120)
    write_or_refuse(path, drawn.getvalue())
