"""`rtseg bench streams`: measures several streams in one process, and against as many processes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from rtseg.bench.streams.measure import ProcessesRow, StreamsRow, compare_processes, measure_streams, to_json
from rtseg.bench.streams.worker import WorkerTask
from rtseg.cli.app import console
from rtseg.cli.console import show
from rtseg.cli.options.model import JsonOption, ModelOption, ThreadsOption
from rtseg.cli.options.outputs import PRIVATE, ModeOption, prepare_outputs
from rtseg.errors import ConfigError
from rtseg.output.atomic_file import write_atomically
from rtseg.system.machine import available_cores, describe_machine
from rtseg.text.safe_text import json_text
from rtseg.wall_clock import utc_now

_MAX_STREAMS = 64


def streams(
    model: ModelOption = "carotid-int8",
    counts: Annotated[str, typer.Option("--counts", help="The numbers of streams, separated by commas.")] = "1,2,4,8,16",
    versus: Annotated[
        str, typer.Option("--versus", help="Compare these numbers of streams with as many processes of one stream, in turns.")
    ] = "",
    seconds: Annotated[float, typer.Option("--seconds", min=0.5, help="The seconds in which frames are counted.")] = 10.0,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="The number of turns of --versus.")] = 5,
    fps: Annotated[
        float, typer.Option("--fps", min=0, help="The frame rate of live streams; 0: as fast as they are taken.")
    ] = 0.0,
    json: JsonOption = None,
    mode: ModeOption = PRIVATE,
    threads: ThreadsOption = 0,
) -> None:
    """Measure streams of 640x480 in one process: frames a second of all, age, fairness and memory."""
    prepare_outputs(mode, json)
    together, apart = _numbers(counts, "--counts"), _numbers(versus, "--versus")
    task = WorkerTask(model, 1, seconds, threads or available_cores(), fps=fps)
    about = {"began_at": utc_now(), "machine": describe_machine(), "model": model, "threads": task.threads, "seconds": seconds}
    rows, compared = list[StreamsRow](), list[ProcessesRow]()
    with console.status("measuring"):
        for count in together:
            rows.append(measure_streams(_task_of(task, count)))
            _write(json, about | {"fps": fps}, rows, compared)
        for count in apart:
            compared.append(compare_processes(_task_of(task, count), rounds))
            _write(json, about | {"fps": fps}, rows, compared)
    for values, title in ((to_json(rows), "streams in one process"), (to_json(compared), "one process against as many")):
        if values:
            show(_table(values, f"{title}, {model}, {task.threads} threads"))
    if json:
        console.print(f"wrote {json}", highlight=False)


def _write(path: Path | None, about: dict[str, Any], rows: Sequence[StreamsRow], compared: Sequence[ProcessesRow]) -> None:
    """Write what is measured so far, which a measurement that is stopped leaves."""
    if path:
        report = {**about, "streams": to_json(rows), "versus_processes": to_json(compared)}
        write_atomically(path, (json_text(report, indent=2) + "\n").encode())


def _task_of(task: WorkerTask, count: int) -> WorkerTask:
    return WorkerTask(task.model, count, task.seconds, task.threads, fps=task.fps)


def _numbers(text: str, option: str) -> list[int]:
    """Parse numbers of streams. Raises ConfigError."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isdecimal() and 1 <= int(part) <= _MAX_STREAMS for part in parts):
        raise ConfigError(f"{option} is not {text!r}: give numbers from 1 to {_MAX_STREAMS}, as 1,2,4")
    return [int(part) for part in parts]


def _table(rows: list[dict[str, float]], title: str) -> Table:
    table = Table(title=title, title_justify="left")
    for name in rows[0]:
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(*(f"{value:g}" for value in row.values()))
    return table
