"""`rtseg prove`: says from measured stages whether a live stream will meet a deadline."""

from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import Annotated

import typer

from rtseg.bench.deadline.prediction import MAX_MISSES, DeadlineVerdict, predict
from rtseg.bench.deadline.stage_times import measure_stages
from rtseg.budget import parse_budget
from rtseg.cli.app import app, console
from rtseg.cli.options.model import EngineOption, JsonOption, ModelOption, ThreadsOption, load
from rtseg.cli.options.outputs import PRIVATE, ModeOption, prepare_outputs
from rtseg.cli.threads import limit_threads
from rtseg.engines.engine_use import closing_engine
from rtseg.exit_codes import EXIT_MISSED
from rtseg.output.atomic_file import write_atomically
from rtseg.sources import Source, open_source
from rtseg.sources.playback import LoopingSource, PacedSource
from rtseg.system.machine import describe_machine
from rtseg.text.safe_text import json_text

_ENDLESS = 10**12  # frames


@app.command()
def prove(
    source: Annotated[str, typer.Argument(help="The source: a recording is repeated at --fps, a live one has its own rate.")],
    fps: Annotated[float, typer.Option("--fps", min=0.1, help="The frame rate that the stream will have.")] = 30.0,
    p99: Annotated[str, typer.Option("--p99", help="The time in which 99 of 100 frames must be segmented, as 33ms.")] = "33ms",
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="The seconds in which the stages are measured.")] = 20.0,
    model: ModelOption = "carotid",
    engine: EngineOption = "auto",
    threads: ThreadsOption = 0,
    json: JsonOption = None,
    mode: ModeOption = PRIVATE,
) -> None:
    """Measure the stages of a stream, and say whether its deadline will hold and which stage binds.

    The exit status is 0 where it will, and 3 where it will not. The prediction is for the load that the machine has now.
    """
    prepare_outputs(mode, json)
    limit_threads()
    limit_ms = parse_budget(p99)
    with closing_engine(load(model, engine, threads)) as network, console.status(f"measuring for {seconds:g} s"):
        measured = measure_stages(_played(source, fps), network, seconds)
    verdict = predict(measured, limit_ms, fps)
    _print(verdict, len(measured.frames), seconds)
    if json:
        _write(json, verdict, {"source_fps": measured.fps, "frames": len(measured.frames), "seconds": seconds, "model": model})
    if not verdict.holds:
        raise typer.Exit(EXIT_MISSED)


def _played(source: str, fps: float) -> Source:
    """Return a live source as it is, and a recording repeated at a frame rate."""
    opened = open_source(source)
    if opened.info.live:
        return opened
    opened.close()
    return PacedSource(LoopingSource(source, _ENDLESS), fps)


def _print(verdict: DeadlineVerdict, frames: int, seconds: float) -> None:
    words, style = ("holds", "green") if verdict.holds else ("will not hold", "red")
    p99 = f"{verdict.p99_ms:.1f} ms" if isfinite(verdict.p99_ms) else "without bound, since frames are dropped"
    console.print(f"{verdict.limit_ms:g} ms at {verdict.fps:g} fps {words}: p99 is {p99}", style=style, highlight=False)
    console.print(
        f"{verdict.misses:.1%} of the frames would miss it ({verdict.dropped:.1%} dropped), at most {MAX_MISSES:.0%} may; "
        f"from {frames} frames in {seconds:g} s",
        highlight=False,
    )
    console.print(f"the stage that binds: {verdict.binding or '-'} ({verdict.binding_ms:.1f} ms of p99)", highlight=False)


def _write(path: Path, verdict: DeadlineVerdict, about: dict[str, object]) -> None:
    values = {name: value if isinstance(value, str) or isfinite(value) else None for name, value in asdict(verdict).items()}
    report = {**about, "machine": describe_machine(), "holds": verdict.holds, **values}
    write_atomically(path, (json_text(report, indent=2) + "\n").encode())
    console.print(f"wrote {path}", highlight=False)
