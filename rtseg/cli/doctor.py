"""`rtseg doctor`: lists what is installed and how to install the rest, or examines one source."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from rtseg.cli.app import app

if TYPE_CHECKING:
    from rtseg.doctor.source import Look


@app.command()
def doctor(
    source: Annotated[str, typer.Option("--source", help="Examine this source instead, and say what to change.")] = "",
    seconds: Annotated[float, typer.Option("--seconds", min=0.5, help="The seconds for which the source is examined.")] = 10.0,
) -> None:
    """List the engines, kernels, models, sources and extras of this machine, and how to install the missing ones."""
    if source:
        _look_at(source, seconds)
        return
    from rich.table import Table
    from rich.text import Text

    from rtseg.cli.console import console
    from rtseg.doctor.environment import examine

    table = Table("", "name", "here", "what")
    for finding in examine():
        here = Text("yes", "green") if finding.present else Text("no", "yellow")
        table.add_row(finding.group, finding.name, here, finding.detail)
    console.print(table)


def _look_at(uri: str, seconds: float) -> None:
    from rich.table import Table

    from rtseg.cli.console import console
    from rtseg.cli.options.live import events_shown
    from rtseg.doctor.source import advice, watch
    from rtseg.sources import open_source
    from rtseg.sources.address import shown

    with events_shown(), console.status(f"watching {shown(uri)} for {seconds:g} s"):
        look = watch(open_source(uri), seconds, _usb_speed(uri))
    table = Table("what", "found", title=shown(uri), title_justify="left")
    for name, found in _rows(look):
        table.add_row(name, found)
    console.print(table)
    for line in advice(look) or ["nothing to change"]:
        console.print(f"- {line}", highlight=False)


def _rows(look: "Look") -> Iterator[tuple[str, str]]:
    info = look.info
    yield "format", f"{look.format}, {info.width}x{info.height}"
    yield (
        "rate",
        f"{look.real_fps:.4g} fps; the source reports {info.fps:.4g}"
        if info.live
        else f"{info.fps:.4g} fps, as the source reports",
    )
    yield "frames watched", f"{look.frames}, of which {look.duplicates:.0%} repeat the one before"
    if info.live:
        yield "jitter", f"deviation {look.jitter_ms:.1f} ms, longest pause {look.longest_ms:.1f} ms"
        yield "stale frames", f"{look.stale} waited after a second without a reader; rtseg drops them"
    if not math.isnan(look.late_ms):
        yield "late by its clock", f"one frame in ten by {look.late_ms:.1f} ms or more; {look.clock_jumps} jumps"
    yield "interlaced", f"{look.combed:.0%} of the frames that move"
    yield "damaged", str(look.damaged)
    if look.usb_mbit:
        yield "USB port", f"{look.usb_mbit:g} Mbit/s"
    if look.sector:
        top, left, height, width = look.sector.box
        yield "sector", f"{look.sector.kind.value} at {top},{left},{height},{width}"
    yield "connection", ", ".join(f"{count} times {state}" for state, count in look.events.items()) or "never lost"


def _usb_speed(uri: str) -> float | None:
    if not uri.startswith("camera:"):
        return None
    from rtseg.sources.live.camera import parse
    from rtseg.sources.live.v4l2 import usb_speed

    device, _ = parse(uri.removeprefix("camera:"))
    return usb_speed(f"/dev/video{device}" if device.isdecimal() else device)
