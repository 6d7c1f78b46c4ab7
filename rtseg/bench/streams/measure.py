"""Measure numbers of streams in one process, and against as many processes of one stream, in turns."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Any

from rtseg.bench.streams.worker import READY, WorkerResult, WorkerTask
from rtseg.errors import ReportError

_END_S = 30.0  # that a worker has to end


@dataclass(frozen=True, slots=True)
class StreamsRow:
    """Holds the figures of one number of streams in one process."""

    streams: int
    """Number of streams."""
    aggregate_fps: float
    """Frames of all streams in one second."""
    age_ms: float
    """Median age of a frame when its result was ready."""
    p99_ms: float
    """99th percentile of that age."""
    fairness: float
    """Frames of the stream that had most over those of the one that had least."""
    rss_mb: float
    """Resident memory of all processes together."""
    unique_mb: float
    """Memory that no other process shares, of all processes together."""


@dataclass(frozen=True, slots=True)
class ProcessesRow:
    """Compares streams in one process with as many processes of one stream: medians over the rounds."""

    streams: int
    """Number of streams, and of processes."""
    rounds: int
    """Number of turns."""
    aggregate_ratio: float
    """Frames a second of the one process over those of all processes."""
    memory_ratio: float
    """Unique memory of the one process over that of all processes."""
    fairness: float
    """Of the one process."""
    p99_ms: float
    """Of the one process."""
    processes_p99_ms: float
    """Of the processes."""
    aggregate_fps: float
    """Of the one process."""
    processes_fps: float
    """Of all processes."""


def measure_streams(task: WorkerTask) -> StreamsRow:
    """Measure the streams of a task in one process. Raises ReportError where it fails."""
    return _row(_measure([task]), task.seconds)


def compare_processes(task: WorkerTask, rounds: int, on_round: Callable[[int], None] = lambda _: None) -> ProcessesRow:
    """Measure streams in one process and in as many processes in turns, each process with one thread at least.

    The processes have as many threads together as the one process, or one each where that is more. Raises ReportError.
    """
    one_each = max(1, task.threads // task.count)
    single = [replace(task, count=1, threads=one_each, seed=task.seed + number) for number in range(task.count)]
    pairs = list[tuple[StreamsRow, StreamsRow]]()
    for number in range(rounds):
        on_round(number)
        halves = [[task], single]
        rows = [_row(_measure(half), task.seconds) for half in (halves if number % 2 == 0 else halves[::-1])]
        pairs.append((rows[0], rows[1]) if number % 2 == 0 else (rows[1], rows[0]))
    return ProcessesRow(
        task.count,
        rounds,
        median(one.aggregate_fps / many.aggregate_fps for one, many in pairs),
        median(one.unique_mb / many.unique_mb for one, many in pairs),
        median(one.fairness for one, _ in pairs),
        median(one.p99_ms for one, _ in pairs),
        median(many.p99_ms for _, many in pairs),
        median(one.aggregate_fps for one, _ in pairs),
        median(many.aggregate_fps for _, many in pairs),
    )


def to_json(rows: Sequence[StreamsRow | ProcessesRow]) -> list[dict[str, Any]]:
    """Return rows as plain values."""
    return [{name: round(value, 3) for name, value in asdict(row).items()} for row in rows]


def _measure(tasks: Sequence[WorkerTask]) -> list[WorkerResult]:
    """Run each task in a process of its own, all at the same time."""
    with ExitStack() as processes:
        workers = [processes.enter_context(_started(task)) for task in tasks]
        for worker in workers:
            _await_ready(worker)
        for worker in workers:
            worker.stdin.write("\n")  # type: ignore[union-attr]
            worker.stdin.flush()  # type: ignore[union-attr]
        return [_result(worker) for worker in workers]


@contextmanager
def _started(task: WorkerTask) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "rtseg.bench.streams.worker", json.dumps(asdict(task))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        try:
            yield worker
            worker.wait(_END_S)
        finally:
            worker.kill()


def _await_ready(worker: "subprocess.Popen[str]") -> None:
    for line in worker.stdout or ():
        if line.strip() == READY:
            return
    raise ReportError("a process of the measurement ended before it was ready: run it with fewer streams, or look at its error")


def _result(worker: "subprocess.Popen[str]") -> WorkerResult:
    for line in worker.stdout or ():
        if line.startswith("{"):
            return WorkerResult(**json.loads(line))
    raise ReportError("a process of the measurement gave no result: look at its error")


def _row(results: Sequence[WorkerResult], seconds: float) -> StreamsRow:
    frames = [count for result in results for count in result.frames]
    if not all(frames):
        raise ReportError(f"a stream had no frame in {seconds:g} s: give more --seconds, or less load")
    return StreamsRow(
        len(frames),
        sum(frames) / seconds,
        median(result.p50_ms for result in results),
        max(result.p99_ms for result in results),
        max(frames) / min(frames),
        sum(result.rss_mb for result in results),
        sum(result.unique_mb for result in results),
    )
