"""`rtseg doctor`: lists what is installed and how to install the rest, or examines one source or one model."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rtseg.cli.app import app
from rtseg.errors import ConfigError

if TYPE_CHECKING:
    from rtseg.doctor.source import SourceReport


@app.command()
def doctor(
    source: Annotated[str, typer.Option("--source", help="Examine this source instead, and say what to change.")] = "",
    model: Annotated[str, typer.Option("--model", "-m", help="Explain this model file instead, and say what to change.")] = "",
    save: Annotated[
        Path | None, typer.Option("--save", help="Save what was found of the scanner as a card for `rtseg run --scanner`.")
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=0.5, help="The seconds for which the source is examined.")] = 10.0,
) -> None:
    """List the engines, kernels, models, sources and extras of this machine, and how to install the missing ones."""
    if source:
        _examine_source(source, seconds, save)
        return
    if save:
        raise ConfigError("--save needs a scanner to examine: give --source URI too")
    if model:
        _examine_model(model)
        return
    from rich.table import Table
    from rich.text import Text

    from rtseg.cli.console import console
    from rtseg.doctor.environment import examine_environment

    table = Table("", "name", "here", "what")
    for finding in examine_environment():
        here = Text("yes", "green") if finding.present else Text("no", "yellow")
        table.add_row(finding.group, finding.name, here, finding.detail)
    console.print(table)


def _examine_model(model: str) -> None:
    from rich.table import Table
    from rich.text import Text

    from rtseg.cli.console import console
    from rtseg.doctor.model import inspect_model
    from rtseg.engines.load import model_path

    path = model_path(model)
    with console.status(f"running {path.name}"):
        report = inspect_model(path)
    table = Table("what", "found", title=Text(str(path)), title_justify="left")
    for name, found in report.rows():
        table.add_row(name, Text(found))
    console.print(table)
    for line in list(report.advice()) or ["nothing to change"]:
        console.print(f"- {line}", highlight=False, markup=False)


def _examine_source(uri: str, seconds: float, save: Path | None) -> None:
    from rich.table import Table

    from rtseg.cli.console import console
    from rtseg.cli.options.logs import source_events_printed
    from rtseg.doctor.source import advice, inspect_source
    from rtseg.sources import open_source
    from rtseg.sources.address import masked_address

    with source_events_printed(), console.status(f"watching {masked_address(uri)} for {seconds:g} s"):
        report = inspect_source(open_source(uri), seconds, _usb_speed(uri))
    table = Table("what", "found", title=masked_address(uri), title_justify="left")
    for name, found in _report_rows(report):
        table.add_row(name, found)
    console.print(table)
    for line in advice(report) or ["nothing to change"]:
        console.print(f"- {line}", highlight=False)
    if save:
        _save_card(report, save)


def _save_card(report: "SourceReport", path: Path) -> None:
    """Write the scanner's card. Raises ConfigError where no sector was found."""
    from rtseg.cli.console import console
    from rtseg.output.atomic_file import write_atomically

    if report.card is None:
        raise ConfigError("no card was saved, since no sector was found: show a live picture to the source, and try again")
    write_atomically(path, report.card.to_toml().encode())
    console.print(f"wrote {path}", highlight=False)


def _report_rows(report: "SourceReport") -> Iterator[tuple[str, str]]:
    info = report.info
    yield "format", f"{report.format}, {info.width}x{info.height}"
    if report.reason:
        yield "chosen because", f"it is {report.reason}"
    if report.modes:
        yield "modes of the driver", "\n".join(report.modes)
    yield (
        "rate",
        f"{report.real_fps:.4g} fps; the source reports {info.fps:.4g}"
        if info.live
        else f"{info.fps:.4g} fps, as the source reports",
    )
    turns = f", in turns of {report.pattern}" if report.pattern else ""
    yield "frames watched", f"{report.frames}, of which {report.duplicates:.0%} repeat the one before{turns}"
    if info.live:
        yield "jitter", f"deviation {report.jitter_ms:.1f} ms, longest pause {report.longest_ms:.1f} ms"
        yield "stale frames", f"{report.stale} waited after a second without a reader; rtseg drops them"
    if not math.isnan(report.late_ms):
        yield "late by its clock", f"one frame in ten by {report.late_ms:.1f} ms or more; {report.clock_jumps} jumps"
    yield "interlaced", f"{report.combed:.0%} of the frames that move"
    yield "damaged", str(report.damaged)
    if report.usb_mbit:
        yield "USB port", f"{report.usb_mbit:g} Mbit/s"
    if report.sector:
        top, left, height, width = report.sector.box
        yield "sector", f"{report.sector.kind.value} at {top},{left},{height},{width}"
    if report.card:
        mm, words = report.card.scale.mm_per_pixel, report.card.scale.provenance
        yield "depth scale", words if mm is None else f"{mm:.4g} mm a pixel, from {words}"
    yield "connection", ", ".join(f"{count} times {state}" for state, count in report.events.items()) or "never lost"


def _usb_speed(uri: str) -> float | None:
    if not uri.startswith("camera:"):
        return None
    from rtseg.sources.live.camera import parse_camera
    from rtseg.sources.live.v4l2 import usb_speed

    device, _ = parse_camera(uri.removeprefix("camera:"))
    return usb_speed(f"/dev/video{device}" if device.isdecimal() else device)
