"""Measure the time that each stage of a stream takes on each frame, at a frame rate."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from time import perf_counter

from rtseg.engines.base import Engine
from rtseg.engines.watchdog import FILE_TIMEOUT_S
from rtseg.pipeline import Pipeline
from rtseg.result import Result
from rtseg.session.session import Session
from rtseg.sources.base import Source
from rtseg.trace import DEVICE, READ

WARMUP_FRAMES = 10
_OUTSIDE = (READ, "wait")  # stages that are no work on the frame


@dataclass(frozen=True, slots=True)
class FrameTimes:
    """Holds the times of one frame that was segmented."""

    stages_ns: Mapping[str, int]
    """Time of each stage that works on the frame, and of `other` between them."""
    wake_ns: int
    """Time from the arrival of the frame to the begin of the work, where nothing else was in work; else 0."""

    @property
    def work_ns(self) -> int:
        """Return the time of all stages."""
        return sum(self.stages_ns.values())


@dataclass(frozen=True, slots=True)
class StageTimes:
    """Holds what was measured on a stream at one frame rate."""

    fps: float
    """Frame rate of the stream."""
    frames: tuple[FrameTimes, ...]
    """Those that were segmented, in order."""
    totals_ns: tuple[int, ...]
    """Time of each of them from its arrival to the end of its last stage."""
    arrived: int
    """Number of frames that the source gave meanwhile, with those that were dropped."""

    def missed(self, limit_ms: float) -> float:
        """Return the share of frames that were dropped, or ended later than the limit after their arrival."""
        return 1 - sum(total <= 1e6 * limit_ms for total in self.totals_ns) / max(1, self.arrived)


def measure_stages(source: Source, engine: Engine, seconds: float) -> StageTimes:
    """Segment a live or paced source for some seconds, newest frame first, without sinks. Raises SourceError, EngineError."""
    pipeline = Pipeline(source, Session(engine, engine_timeout_s=FILE_TIMEOUT_S))  # slow calls are what is measured
    frames, totals, first, arrived, ended_ns = list[FrameTimes](), list[int](), -1, 0, 0
    with closing(iter(pipeline)) as results:
        began, warm = perf_counter(), 0
        for result in results:
            trace, index = result.trace, result.frame.index
            if warm < WARMUP_FRAMES:
                warm, first, began, ended_ns = warm + 1, index, perf_counter(), trace.ended_ns
                continue
            frames.append(_frame_times(result, is_idle=ended_ns <= trace.captured_ns))
            totals.append(trace.total_ns)
            arrived, ended_ns = index - first, trace.ended_ns
            if perf_counter() - began >= seconds:
                break
    return StageTimes(source.info.fps, tuple(frames), tuple(totals), arrived)


def _frame_times(result: Result, *, is_idle: bool) -> FrameTimes:
    stages = {name: ns for name, ns in result.trace.stages_ns.items() if name not in _OUTSIDE and not name.startswith(DEVICE)}
    wait = result.trace.stages_ns.get("wait", 0)
    other = max(0, result.trace.total_ns - wait - sum(stages.values()))
    return FrameTimes({**stages, "other": other}, wait if is_idle else 0)
