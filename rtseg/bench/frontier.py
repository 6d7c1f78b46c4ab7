"""Plots Dice against latency of networks in each precision, from reports of other benchmarks."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from rtseg.errors import ConfigError

INT8 = "-int8"


@dataclass(frozen=True, slots=True)
class FrontierPoint:
    """Holds the latency and accuracy of a network in one precision."""

    model: str  # the network's name, with the suffix -int8 for its INT8 form
    engine: str  # its fastest engine
    median_ms: float  # milliseconds a frame on that engine
    dice: float  # mean over the classes of the mean Dice

    @property
    def network(self) -> str:
        """Return the network's name without the precision suffix."""
        return self.model.removesuffix(INT8)


def read_points(paths: Iterable[Path]) -> list[FrontierPoint]:
    """Combine reports of `rtseg bench --engines --json` and `rtseg eval --json` into points, the fastest first.

    A network is identified by its report's model name, or by the stem of its file.
    Raises ConfigError for an unreadable report, or if no network has both a time and a Dice.
    """
    reports = {path: _read(path) for path in paths}
    dice = {Path(report["model"]).stem: _dice(report) for report in reports.values() if "classes" in report}
    times = [(*_named(row), row["median_ms"]) for report in reports.values() for row in report.get("engines", ())]
    found = [_fastest(model, times, dice[model]) for model in dict.fromkeys(model for model, _, _ in times) if model in dice]
    if not found:
        timed = ", ".join(sorted({model for model, _, _ in times})) or "none"
        raise ConfigError(
            f"no network has both a time ({timed}) and a Dice ({', '.join(dice) or 'none'}): measure one both ways"
        )
    return sorted(found, key=lambda point: point.median_ms)


def plot_frontier(found: Sequence[FrontierPoint], title: str, path: Path) -> None:
    """Plot the points into a PNG, with the forms of one network joined by a line. Raises MissingExtra, ConfigError."""
    from rtseg.bench.plotting import new_figure, save_png

    figure = new_figure(8, 5)
    axes = figure.add_subplot(title=title, xlabel="ms a frame, median, on its fastest engine", ylabel="mean Dice", xscale="log")
    for network in dict.fromkeys(point.network for point in found):
        forms = [point for point in found if point.network == network]
        (line,) = axes.plot([form.median_ms for form in forms], [form.dice for form in forms], linewidth=1)
        for form in forms:
            axes.plot(form.median_ms, form.dice, "s" if form.model.endswith(INT8) else "o", color=line.get_color())
            axes.annotate(form.model, (form.median_ms, form.dice), (5, 5), textcoords="offset points", fontsize=8)
    axes.margins(0.15)
    _label(axes)
    axes.grid(alpha=0.3, which="both")
    save_png(figure, path)


def _label(axes: Any) -> None:
    """Label the logarithmic axis with plain milliseconds."""
    limits = axes.get_xlim()
    marks = [step * 10**power for power in range(-2, 5) for step in (1, 2, 5)]
    shown = [mark for mark in marks if limits[0] <= mark <= limits[1]]
    axes.set_xticks(shown, [f"{mark:g}" for mark in shown])
    axes.minorticks_off()
    axes.set_xlim(limits)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read as a report ({error}): name a JSON file that rtseg wrote") from None
    if not isinstance(report, dict) or not {"engines", "classes"} & report.keys():
        raise ConfigError(f"{path} is neither of `rtseg bench --engines` nor of `rtseg eval`: give their --json reports")
    return report


def _named(row: Mapping[str, Any]) -> tuple[str, str]:
    """Return the model of a row, with its precision suffix, and its engine."""
    engine = str(row["name"])
    return str(row["model"]).removesuffix(INT8) + (INT8 if engine.endswith("int8") else ""), engine


def _dice(report: Mapping[str, Any]) -> float:
    return fmean(figures["dice"]["mean"] for figures in report["classes"].values())


def _fastest(model: str, times: Sequence[tuple[str, str, float]], dice: float) -> FrontierPoint:
    median_ms, engine = min((median_ms, engine) for name, engine, median_ms in times if name == model)
    return FrontierPoint(model, engine, median_ms, dice)
