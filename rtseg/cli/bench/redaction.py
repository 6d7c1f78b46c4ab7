"""`rtseg bench redaction`: measures what is legible after redaction, on clips whose letters are known and on others."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from rtseg.bench.redaction.legibility import check_ocr
from rtseg.bench.redaction.measure import measure_clips, summary
from rtseg.bench.redaction.untold_clip import read_clip
from rtseg.cli.app import console
from rtseg.errors import ConfigError
from rtseg.output.atomic_file import write_atomically
from rtseg.session.redaction import RedactionMode
from rtseg.system.machine import describe_machine
from rtseg.text.safe_text import json_text
from rtseg.wall_clock import utc_now

_MODES = RedactionMode.AUTO, RedactionMode.STRICT


def measure_redaction(folder: Path, clips: Sequence[str], json: Path | None) -> None:
    """Measure each lettered clip of a folder and each other clip, print the summary, and write everything to `json`."""
    check_ocr()
    truths = sorted(folder.glob("*.json"))
    if not truths:
        raise ConfigError(f"{folder} holds no clip with its truth: write some with python -m rtseg.sources.synthetic.screens")
    report: dict[str, Any] = {"began_at": utc_now(), "machine": describe_machine(), "load_average": os.getloadavg()}
    with console.status("reading") as status:
        scores = []
        for one in measure_clips(truths, _MODES):
            status.update(f"{one.clip}, {one.mode.value}")
            scores.append(one)
        report |= {mode.value: summary([one for one in scores if one.mode is mode]) for mode in _MODES}
        report["rows"] = [one.to_json() for one in scores]
        report["clips"] = [read.to_json() for uri in clips for mode in _MODES for read in read_clip(uri, mode)]
    console.print(_table({mode.value: report[mode.value] for mode in _MODES}))
    _print_words(report["clips"])
    if json:
        write_atomically(json, (json_text(report, indent=1, allow_nan=False) + "\n").encode())
        console.print(f"wrote {json}", highlight=False)


def _table(summaries: dict[str, dict[str, Any]]) -> Table:
    table = Table("figure", *summaries)
    for name in next(iter(summaries.values())):
        table.add_row(name, *("-" if one[name] is None else f"{one[name]:g}" for one in summaries.values()))
    return table


def _print_words(rows: Iterable[dict[str, Any]]) -> None:
    for row in rows:
        where = f"{row['clip']}, {row['mode']}, frame {row['index']}"
        text = f"{where}: {row['words_before']} words before, {len(row['words_after'])} after"
        console.print(text, highlight=False, markup=False)
