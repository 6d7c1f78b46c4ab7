"""Fits the ranges of a model's measures, for `rtseg calibrate --ranges`."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.table import Table

from rtseg.cli.app import console
from rtseg.cli.terminal import progress_bar
from rtseg.engines.base import Engine
from rtseg.errors import DatasetError
from rtseg.evaluation.dataset import Case
from rtseg.evaluation.range_calibration import RangeRow, factors_of, gather_ranges, range_report
from rtseg.measure.quantities import QUANTITIES
from rtseg.output.atomic_file import write_atomically
from rtseg.text.safe_text import json_text

_UNITS = ("mm", "mm2")  # of measures whose range is fitted
_COLUMNS = ("measure", "factor", "held-out pictures", "absolute error", "bias", "coverage", "95 % interval", "mean width")


def fit_ranges(network: Engine, path: Path, out: Path, own: Sequence[Case], unseen: Sequence[Case], json: Path | None) -> None:
    """Write the factors that are fitted on `own` into `out`, and print and report how they hold on `unseen`.

    Raises DatasetError where too few pictures have a pixel size and a measure.
    """
    from rtseg.engines.convert.model_metadata import write_spec

    with progress_bar(console) as bar:
        task = bar.add_task("measuring")
        names = _measures_of(network.spec.classes)
        rows = gather_ranges(network, [*own, *unseen], names, lambda done, of: bar.update(task, completed=done, total=of))
    training = {case.subject for case in own}
    fitted_on = {name: [row for row in of_measure if row.subject in training] for name, of_measure in rows.items()}
    factors = factors_of(fitted_on)
    if not factors:
        raise DatasetError("too few pictures have a pixel size and a measure to fit a range to: give at least 30")
    write_spec(path, out, replace(network.spec, range_factors=tuple(factors.items())))
    report = {name: _report(factor, fitted_on[name], rows[name]) for name, factor in factors.items()}
    _show(report, network.spec.name)
    if json:
        told = {"model": network.spec.name, "covers": 0.9, "measures": report}
        write_atomically(json, (json_text(told, indent=1) + "\n").encode())
        console.print(f"wrote {json}", highlight=False)
    console.print(f"wrote {out}", highlight=False)


def _measures_of(classes: Sequence[str]) -> list[str]:
    """Return the measures in millimeters that these classes allow."""
    return [
        one.name
        for one in QUANTITIES.values()
        if one.unit in _UNITS and one.classes_in(classes) is not None and not one.lengths
    ]


def _report(factor: float, fitted_on: Sequence[RangeRow], rows: Sequence[RangeRow]) -> dict[str, Any]:
    known = {row.subject for row in fitted_on}
    held_out = [row for row in rows if row.subject not in known]
    return {"factor": factor, "fitted_on": range_report(fitted_on, factor), "held_out": range_report(held_out, factor)}


def _show(report: dict[str, Any], model: str) -> None:
    table = Table(*_COLUMNS, title=f"{model}: ranges that hold 90 % of the experts' values", title_justify="left")
    for name, told in report.items():
        held = told["held_out"]
        if not held["pictures"]:
            table.add_row(name, f"{told['factor']:.3f}", "0")
            continue
        low, high = held["coverage_interval"]
        table.add_row(
            name,
            f"{told['factor']:.3f}",
            str(held["pictures"]),
            f"{held['mean_absolute_error']:.2f}",
            f"{held['bias']:+.2f}",
            f"{held['coverage']:.1%}",
            f"{low:.1%} to {high:.1%}",
            f"{held['mean_width']:.2f}",
        )
    console.print(table)
