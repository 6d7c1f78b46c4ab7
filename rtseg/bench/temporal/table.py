"""Prints reports of `rtseg eval --video` as a Markdown table: `python -m rtseg.bench.temporal.table REPORT.json ...`."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

COLUMNS = {
    "dice": ("Dice", "{:.4f}"),
    "flicker": ("flicker", "{:.5f}"),
    "temporal_iou": ("IoU in time", "{:.4f}"),
    "area_jitter": ("area jitter", "{:.4f}"),
    "centroid_jerk_px": ("jerk, px", "{:.3f}"),
    "dtssd": ("dtSSD", "{:.4f}"),
    "lag_frames": ("lag", "{:.2f}"),
}


def markdown_table(reports: Sequence[Mapping[str, Any]]) -> str:
    """Return a Markdown table with a row for each variant of each report."""
    heads = ["model", "clips", "way", *(heading for heading, _ in COLUMNS.values())]
    lines = [heads, ["---"] * len(heads), *(row for report in reports for row in _rows(report))]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _rows(report: Mapping[str, Any]) -> Iterator[list[str]]:
    groups = dict(report["simulated"]) | ({"real, seconds apart": report["scans"]} if "scans" in report else {})
    for name, variants in groups.items():
        for variant, row in variants.items():
            yield [report["model"], name, variant, *(_figure(row.get(key), form) for key, (_, form) in COLUMNS.items())]


def _figure(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def main(*paths: str) -> None:
    """Print the table of the reports."""
    print(markdown_table([json.loads(Path(path).read_text(encoding="utf-8")) for path in paths]), end="")  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
