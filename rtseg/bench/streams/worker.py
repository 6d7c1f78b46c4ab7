"""Run some streams in this process for a measurement, which another process starts: `python -m rtseg.bench.streams.worker`."""

import json
import re
import sys
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from threading import Thread
from time import perf_counter, sleep

from rtseg.bench.streams.moving_pictures import MovingPictures
from rtseg.engines.base import Engine
from rtseg.engines.engine_pool import closing_pool
from rtseg.engines.load import load_engine
from rtseg.engines.openvino import requests_at_once
from rtseg.histogram import Histogram
from rtseg.kernels.runtime.cpu import raise_parallel_threshold
from rtseg.pipeline import Pipeline
from rtseg.session.session import Session

READY = "ready"  # the line that a worker prints before it blocks until a line comes
WARM_FRAMES = 10  # after which every loop of a stream has run once, and is compiled
_ROOT = Path("/proc/self")


@dataclass(frozen=True, slots=True)
class WorkerTask:
    """Describes what a worker measures."""

    model: str
    """A shipped model's name, or the network's file."""
    count: int
    """Number of streams."""
    seconds: float
    """Time in which frames are counted."""
    threads: int
    """Threads of the engine."""
    seed: int = 0
    """Of the first stream's pictures."""
    fps: float = 0.0
    """Frame rate of live streams; 0: as fast as possible."""


@dataclass(frozen=True, slots=True)
class WorkerResult:
    """Holds what a worker measured."""

    frames: list[int]
    """Frames of each stream that ended in the time."""
    p50_ms: float
    """Median age of a frame when its result was ready."""
    p99_ms: float
    """99th percentile of that age."""
    rss_mb: float
    """Resident memory of the process."""
    unique_mb: float
    """Memory that no other process shares (private pages)."""


class CountedStream:
    """Runs one stream in a thread, and counts its frames between `begin` and `end`."""

    def __init__(self, engine: Engine, source: MovingPictures) -> None:
        self.frames, self.ages = 0, Histogram()
        self._source, self._pipeline, self._is_counting = source, Pipeline(source, Session(engine, engine_timeout_s=0)), False
        self.is_warm = False
        self.thread = Thread(target=self._run, name="rtseg-bench-stream", daemon=True)

    def begin(self) -> None:
        """Count frames from now on."""
        self._is_counting = True

    def end(self) -> None:
        """Count no more, and end the stream."""
        self._is_counting = False
        self._source.close()

    def _run(self) -> None:
        for number, result in enumerate(self._pipeline, 1):
            self.is_warm = number >= WARM_FRAMES
            if self._is_counting:
                self.frames += 1
                self.ages.add(result.trace.total_ns)


def measure_here(task: WorkerTask) -> WorkerResult:
    """Run the streams of a task in this process; blocks until a line comes on standard input once all are warm."""
    raise_parallel_threshold()
    with requests_at_once(min(task.count, task.threads)):
        pool = closing_pool(partial(load_engine, task.model, threads=task.threads, trusted=True))
        with pool as engines:
            sources = [MovingPictures(task.seed + number, task.fps) for number in range(task.count)]
            streams = [CountedStream(engines.take(), source) for source in sources]
            return _counted(streams, task.seconds)


def _counted(streams: list[CountedStream], seconds: float) -> WorkerResult:
    for stream in streams:
        stream.thread.start()
    while not all(stream.is_warm for stream in streams):
        sleep(0.05)
    print(READY, flush=True)  # noqa: T201  standard output is the pipe to the other process
    sys.stdin.readline()
    ends = perf_counter() + seconds
    for stream in streams:
        stream.begin()
    sleep(max(0.0, ends - perf_counter()))
    memory = resident_mb(), unique_mb()
    for stream in streams:
        stream.end()
    ages = Histogram()
    for stream in streams:
        stream.thread.join()
        ages.merge(stream.ages)
    return WorkerResult([stream.frames for stream in streams], ages.percentile_ms(50), ages.percentile_ms(99), *memory)


def resident_mb(root: Path = _ROOT) -> float:
    """Return the resident memory of this process in MB; NaN where the system does not say (Linux only)."""
    return _kilobytes(root / "smaps_rollup", "Rss") / 1e3


def unique_mb(root: Path = _ROOT) -> float:
    """Return the memory that this process shares with no other in MB; NaN where the system does not say (Linux only)."""
    return (_kilobytes(root / "smaps_rollup", "Private_Clean") + _kilobytes(root / "smaps_rollup", "Private_Dirty")) / 1e3


def _kilobytes(path: Path, name: str) -> float:
    try:
        found = re.search(rf"^{name}:\s+(\d+) kB", path.read_text(), re.MULTILINE)
    except OSError:
        found = None
    return float(found[1]) if found else float("nan")


if __name__ == "__main__":
    print(json.dumps(asdict(measure_here(WorkerTask(**json.loads(sys.argv[1]))))), flush=True)  # noqa: T201  the same
