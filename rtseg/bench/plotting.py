"""Draws matplotlib figures into PNG files; outside of training, only this module imports matplotlib."""

import io
from pathlib import Path

from rtseg.errors import ConfigError, MissingExtra, SinkError
from rtseg.output.atomic_file import write_atomically

try:
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
except ImportError:
    raise MissingExtra("a plot", "train") from None

__all__ = ["Axes", "Figure", "new_figure", "save_png"]


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of a size in inches, without a window."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_png(figure: Figure, path: Path) -> None:
    """Write a figure as PNG. Raises ConfigError or SinkError if the file cannot be written."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=110)
    try:
        write_atomically(path, drawn.getvalue())
    except SinkError:
        raise
    except OSError as error:
        raise ConfigError(f"{path} cannot be written ({error.strerror}): name a file in a folder that is there") from None
