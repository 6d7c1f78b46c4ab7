"""Records one run: latency, deadlines, age and memory. All times come from the traces of the frames."""

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import numpy as np

from rtseg.bench.line.cpu_share import CpuShare
from rtseg.bench.line.samples import Samples
from rtseg.frame import Life
from rtseg.histogram import Histogram
from rtseg.pipeline import Pipeline
from rtseg.result import Result
from rtseg.system.machine import memory_mb, thread_count
from rtseg.trace import TOTAL, LatencyReport

DEADLINES_FPS = (25, 30, 50, 60)
MEMORY_EVERY_S = 1.0
MEMORY_SAMPLES = 600  # at this number, every second sample is discarded

MemorySample = tuple[float, float]  # seconds since the run began, megabytes


class BenchRun:
    """Records the results of one or several pipelines of the same kind."""

    def __init__(self, period_ns: int) -> None:
        self.report = LatencyReport(period_ns)  # latency of each stage
        self.samples = Samples()  # times of single frames
        self.age = Histogram()  # from a picture's capture to the next result: the greatest age at which a viewer sees it
        self.missed = dict.fromkeys(DEADLINES_FPS, 0)  # frames that took longer than the period, by frame rate
        self.repeated = 0  # duplicate or frozen frames (`HELD`)
        self.threads = thread_count()  # maximum number of threads of this process
        self.memory: list[MemorySample] = []  # memory of this process in the course of the run
        self.cpu_share = CpuShare()  # shares of the CPU time
        self._began_ns = self._shown_ns = 0  # capture times of the first picture and of the displayed one
        self._memory_every_s = MEMORY_EVERY_S

    def add(self, result: Result) -> None:
        """Count one frame after the warm-up."""
        trace = result.trace
        self._began_ns = self._began_ns or trace.captured_ns
        at_s = (trace.ended_ns - self._began_ns) / 1e9
        self.samples.add(at_s, {**trace.stages_ns, TOTAL: trace.total_ns})
        for fps in DEADLINES_FPS:
            self.missed[fps] += trace.total_ns > 1e9 / fps
        if self._shown_ns:
            self.age.add(trace.ended_ns - self._shown_ns)
        self._shown_ns = trace.captured_ns
        self.repeated += result.segmentation.life is Life.HELD
        self._sample_memory(at_s)

    def record_pipeline(self, pipeline: Pipeline, enough: Callable[[int, float], bool]) -> None:
        """Run a pipeline and count its results after the warm-up, until `enough(frames, seconds)` is true or it ends."""
        started_ns = self._shown_ns = 0
        with closing(iter(pipeline)) as results:
            for result in results:
                counted = pipeline.report.counts.frames
                if not counted:
                    continue
                if not started_ns:
                    started_ns = result.trace.captured_ns
                    self.cpu_share.begin()
                self.add(result)
                if enough(counted, (result.trace.ended_ns - started_ns) / 1e9):
                    break
            self.cpu_share.end()
        self.report.merge(pipeline.report)

    def to_json(self) -> dict[str, Any]:
        """Return the run as plain values."""
        return {
            **self.report.to_json(),
            "repeated": self.repeated,
            "missed_deadlines": {f"{fps} fps": missed for fps, missed in self.missed.items()},
            "age_ms": {name: round(ms, 4) for name, ms in self.age.summary().items()} if self.age.count else None,
            "memory_mb": self.memory,
            "memory_slope_mb_per_min": memory_slope(self.memory),
            "threads": self.threads,
            "processor": self.cpu_share.shares(),
            "samples": self.samples.to_json(),
        }

    def _sample_memory(self, at_s: float) -> None:
        """Sample the memory and the number of threads at intervals."""
        if self.memory and at_s < self.memory[-1][0] + self._memory_every_s:
            return
        self.threads = max(self.threads or 0, thread_count() or 0) or None
        held = memory_mb()
        if held is not None:
            self.memory.append((round(at_s, 2), round(held, 2)))
        if len(self.memory) >= MEMORY_SAMPLES:
            self.memory, self._memory_every_s = self.memory[::2], 2 * self._memory_every_s


def memory_slope(memory: Sequence[MemorySample]) -> float | None:
    """Return the memory growth in the second half of a run, in megabytes a minute, by least squares.

    Returns None for fewer than four samples.
    """
    later = np.array(memory[len(memory) // 2 :])
    if len(memory) < 4 or np.ptp(later[:, 0]) == 0:
        return None
    return round(60 * float(np.polyfit(later[:, 0], later[:, 1], 1)[0]), 3)
