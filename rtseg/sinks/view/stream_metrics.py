"""Count what happens in a stream, for its health and its metrics."""

import threading
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from time import perf_counter_ns

from rtseg.frame import StreamInfo
from rtseg.result import Result
from rtseg.sources.base import ConnectedSource
from rtseg.trace import TOTAL

BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.033, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)  # upper limits of latencies
READY_S = 5.0  # without a result, until a stream counts as not ready; three frame periods at least


@dataclass(slots=True)
class StageLatency:
    """Counts the durations of one stage in buckets."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    """Number of durations up to each limit of BUCKETS_S and above the one before; the last: above all of them."""
    sum_s: float = 0.0
    """Sum of all durations in seconds."""

    def add(self, duration_ns: int) -> None:
        """Count one duration."""
        self.counts[bisect_left(BUCKETS_S, duration_ns / 1e9)] += 1
        self.sum_s += duration_ns / 1e9


class StreamMetrics:
    """Counts the results of a stream; `add` is called for each, and the counts are read under `lock` from any thread.

    connection: the live source, whose events and reconnects are read; None for a file.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.connection: ConnectedSource | None = None
        self.stages: dict[str, StageLatency] = {}
        self.counts: Counter[str] = Counter(frames=0, dropped=0, late=0, unfamiliar=0)
        self.lives: Counter[str] = Counter()
        self.withheld: Counter[str] = Counter()  # by the name of the measure
        self.familiarity: float | None = None  # of the newest frame
        self.age_s: float | None = None  # of the newest frame, when its result was written
        self._newest_ns: int | None = None
        self._info = StreamInfo(1, 1, 25.0)
        self._is_over = False

    def begin(self, info: StreamInfo) -> None:
        """Begin another stream; the counts go on."""
        with self.lock:
            self._info, self._newest_ns, self._is_over = info, None, False

    def end(self) -> None:
        """End the stream."""
        self._is_over = True

    def add(self, result: Result) -> None:
        """Count one result."""
        found, trace = result.segmentation, result.trace
        with self.lock:
            for name, duration_ns in (*trace.stages_ns.items(), (TOTAL, trace.total_ns)):
                self.stages.setdefault(name, StageLatency()).add(duration_ns)
            late, unfamiliar = int(trace.total_ns > self._info.period_ns), int(found.is_unfamiliar)
            self.counts.update(frames=1, dropped=result.dropped, late=late, unfamiliar=unfamiliar)
            self.lives[found.life.value] += 1
            self.withheld.update(one.name for one in found.measures if one.withheld)
            self.familiarity, self.age_s = found.familiarity, trace.total_ns / 1e9
            self._newest_ns = perf_counter_ns()

    def trouble(self) -> str:
        """Return why the stream is not ready, in words; "" where results come."""
        if self._is_over:
            return "the stream is over"
        newest_ns = self._newest_ns
        if newest_ns is None:
            return "there is no result yet"
        silent_s = (perf_counter_ns() - newest_ns) / 1e9
        return f"no result for {silent_s:.1f} s" if silent_s > max(READY_S, 3 / self._info.fps) else ""
