"""`rtseg bench sector`: measures how well the sector is found on clips whose truth is known."""

from pathlib import Path

from rich.progress import track
from rich.table import Table

from rtseg.bench.sector import measure_clip, read_truths, summarize
from rtseg.cli.app import console
from rtseg.output.atomic_file import write_atomically
from rtseg.text.safe_text import json_text


def measure_sectors(folder: Path, json: Path | None) -> None:
    """Measure each clip of a folder, print the figures, and write them to `json`."""
    truths = read_truths(folder)
    report = summarize(measure_clip(truth) for truth in track(truths, "clips", console=console, transient=True))
    table = Table("figure", "value", title=f"{len(truths)} clips of {folder}", title_justify="left")
    for name, value in report.items():
        if name != "rows":
            table.add_row(name, "-" if value is None else f"{value:g}")
    console.print(table)
    if json:
        write_atomically(json, (json_text(report, indent=1) + "\n").encode())
        console.print(f"wrote {json}", highlight=False)
