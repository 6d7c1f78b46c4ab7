"""`rtseg bench --kernels` and `--speckle`: times the kernels and measures the speckle filters."""

import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from rtseg.bench.kernels import QUICK_SIZES, SIZES, KernelRow, measure_kernels
from rtseg.bench.speckle import FilterDice, QualityRow, annotated_frame, compare_filters, measure_quality, speckle_phantom
from rtseg.bench.speckle.table import MEASURES
from rtseg.cli.app import console, show
from rtseg.cli.options.dataset import select_cases
from rtseg.engines.base import Engine
from rtseg.evaluation.dataset import Case, open_dataset
from rtseg.output.atomic_file import write_atomically
from rtseg.system.machine import describe_machine
from rtseg.text.safe_text import json_text
from rtseg.wall_clock import utc_now

SPECKLE_SIZES_PX = ((0.8, 1.2), (1.5, 2.5))  # speckle size of the phantoms (down, along), as at a small and a large depth
MAX_REAL_FRAMES = 6  # most real frames, spread over the cases


def time_kernels(quick: bool, json: Path | None) -> None:
    """Time every kernel against the best alternative. quick: only on small pictures, in seconds instead of minutes."""
    head = {"began_at": utc_now(), "machine": describe_machine(), "load_average": os.getloadavg()}
    with console.status("timing the kernels"):
        rows = measure_kernels(QUICK_SIZES if quick else SIZES)
    show(_speed_table(rows))
    _write_json(json, {**head, "kernels": [row.to_json() for row in rows]})


def measure_filters(network: Engine, data: Path | None, subjects: str, json: Path | None) -> None:
    """Measure every speckle filter on phantoms and, with a dataset, on its frames and on their segmentation."""
    began_at = utc_now()
    cases = select_cases(open_dataset(data), "", None, subjects) if data else ()
    with console.status("filtering") as status:
        pictures = [speckle_phantom(grain) for grain in SPECKLE_SIZES_PX] + [annotated_frame(case) for case in _spread(cases)]
        rows = measure_quality(pictures)
        found = compare_filters(network, cases, tell=status.update) if cases else []
    for kind in dict.fromkeys(row.kind for row in rows):
        show(_quality_table(kind, (row for row in rows if row.kind == kind)))
    if found:
        show(_overlap_table(found))
    report: dict[str, Any] = {"began_at": began_at, "machine": describe_machine(), "quality": [row.to_json() for row in rows]}
    _write_json(json, report | {"model": network.spec.name, "dice": [row.to_json() for row in found]})


def _spread(cases: Sequence[Case]) -> Sequence[Case]:
    return cases[:: max(1, math.ceil(len(cases) / MAX_REAL_FRAMES))]


def _speed_table(rows: Iterable[KernelRow]) -> Table:
    caption = (
        "size: 256x256, 1280x720, 1920x1080; ours, theirs: milliseconds, medians of alternating turns; core: how many times as "
        "fast by the least processor time on one core, which other jobs spoil least; copies: our time in plain copies of an "
        "RGB frame of that size; what each kernel stands beside, and its bytes a second, are in the report that --json writes"
    )
    table = _table("the kernels", caption, "kernel", "size", "ours", "theirs", "times", "core", "copies")
    for row in rows:
        figures = (row.ours_ms, row.theirs_ms, row.ratio, row.core_ratio, row.copies)
        table.add_row(row.kernel, f"{row.height}p", *map(_format_number, figures))
    return table


def _quality_table(kind: str, rows: Iterable[QualityRow]) -> Table:
    table = _table(kind, "", "filter", *(name.upper() for name in MEASURES))
    for row in rows:
        table.add_row(row.filter, *(_format_number(getattr(row, name)) for name in MEASURES))
    return table


def _overlap_table(rows: Sequence[FilterDice]) -> Table:
    plain = rows[0].to_json()
    caption = f"the network was trained without a filter; better: of {plain['frames']} frames"
    columns = (f"gain, {subject}" for subject in plain["gain_by_subject"])
    table = _table("Dice with a filter before the network", caption, "filter", "Dice", "worst", "gain", *columns, "better")
    for row in rows:
        figures = row.to_json()
        gains = (f"{gain:+.4f}" for gain in (figures["gain"], *figures["gain_by_subject"].values()))
        table.add_row(row.filter, f"{figures['dice']:.4f}", f"{figures['worst']:.4f}", *gains, str(row.better))
    return table


def _table(title: str, caption: str, *columns: str) -> Table:
    table = Table(title=title, caption=caption, title_justify="left", caption_justify="left")
    for column in columns:
        words = column in ("kernel", "filter")
        table.add_column(column, justify="left" if words else "right", overflow="fold", no_wrap=True)
    return table


def _format_number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _write_json(path: Path | None, report: dict[str, Any]) -> None:
    if path:
        write_atomically(path, (json_text(report, indent=2, allow_nan=False) + "\n").encode())
        console.print(f"wrote {path}", highlight=False)
