"""Drawing figures into PNG files: the one module outside of training that asks for matplotlib."""

from pathlib import Path

from rtseg.errors import ConfigError, MissingExtra

try:
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
except ImportError:
    raise MissingExtra("a plot", "train") from None

__all__ = ["Axes", "Figure", "canvas", "save"]


def canvas(width: float, height: float) -> Figure:
    """An empty figure of so many inches, without any window."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a PNG. Raises ConfigError where it cannot be written."""
    try:
        figure.savefig(path, format="png", dpi=110)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written ({error.strerror}): name a file in a folder that is there") from None
