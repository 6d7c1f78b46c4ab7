"""Measure latency: the stages of each frame, and their percentiles over a stream, in bounded memory."""

import math
from collections import defaultdict, deque
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from time import perf_counter_ns
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rtseg.connection import ConnectionEvent
from rtseg.frame import Life, Omission
from rtseg.histogram import Histogram

if TYPE_CHECKING:
    from rtseg.result import Redaction

READ = "read"  # up to captured_ns: the only stage outside the total
TOTAL = "total"  # from captured_ns to the end of the last stage
AGE = "age"  # from the source's own timestamp to the end: the total plus the delay of transmission
DEVICE = "device "  # prefix of times on a GPU's own clock, which are already part of the stages
_MAX_CONNECTIONS = 100


class StageTimer:
    """Times the body of a `with` statement as a stage of a trace."""

    __slots__ = ("_name", "_started_ns", "_trace")

    def __init__(self, trace: "LatencyTrace", name: str) -> None:
        self._trace, self._name = trace, name

    def __enter__(self) -> None:
        self._started_ns = perf_counter_ns()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._trace.add(self._name, self._started_ns, perf_counter_ns())


class LatencyTrace:
    """Records the time of each stage of one frame.

    captured_ns: `time.perf_counter_ns()` at which the frame's pixels were ready; the total counts from it.
    """

    __slots__ = ("captured_ns", "ended_ns", "stages_ns")

    def __init__(self, captured_ns: int) -> None:
        self.captured_ns = captured_ns
        self.ended_ns = captured_ns
        self.stages_ns: dict[str, int] = {}

    def stage(self, name: str) -> StageTimer:
        """Return a context manager that times its body as the stage `name`; repeated names add up."""
        return StageTimer(self, name)

    def add(self, name: str, started_ns: int, ended_ns: int) -> None:
        """Record a stage that ran from `started_ns` to `ended_ns`."""
        self.stages_ns[name] = self.stages_ns.get(name, 0) + ended_ns - started_ns
        self.ended_ns = max(self.ended_ns, ended_ns)

    def merge(self, other: "LatencyTrace") -> None:
        """Add the stages of another trace of the same frame."""
        for name, duration_ns in other.stages_ns.items():
            self.stages_ns[name] = self.stages_ns.get(name, 0) + duration_ns
        self.ended_ns = max(self.ended_ns, other.ended_ns)

    def add_device_time(self, name: str, duration_ns: int) -> None:
        """Record a time measured on a device's own clock; it does not change the end of the frame."""
        self.stages_ns[name] = duration_ns

    @property
    def total_ns(self) -> int:
        """Return the time from capture to the end of the last stage, in nanoseconds."""
        return self.ended_ns - self.captured_ns

    def __str__(self) -> str:
        stages = "  ".join(f"{name} {ns / 1e6:.1f}" for name, ns in self.stages_ns.items())
        return f"{self.total_ns / 1e6:.1f} ms ({stages})"


@dataclass(slots=True)
class FrameCounts:
    """Counts the frames of a stream."""

    frames: int = 0  # processed, without the warm-up
    warmup: int = 0  # processed before the measurement began
    dropped: int = 0  # lost between source and session, without the warm-up
    late: int = 0  # finished more than one frame period after capture


@dataclass(slots=True)
class MemoryCounts:
    """Counts the frames of each state in `Life`, and the events that stopped the network's state from going on."""

    new: int = 0
    live: int = 0
    spoilt: int = 0
    held: int = 0
    cut: int = 0
    gap: int = 0
    lost: int = 0
    nonfinite: int = 0  # outputs with NaN or infinity, after which the memory started afresh
    gated: int = 0  # frames kept out of the memory for low confidence
    unfamiliar: int = 0  # pictures unlike those that the model was made from
    unjudged: int = 0  # segmented pictures whose familiarity is unknown

    def add(self, life: Life) -> None:
        """Count one frame."""
        name = life.value.lower()
        setattr(self, name, getattr(self, name) + 1)


class LatencyReport:
    """Accumulates percentiles of each stage and of the total, drops and late frames, over a stream of any length.

    period_ns: one frame period of the source; a frame that takes longer is late. memory: the session's counts, of all frames.
    events: those of a live source, which grow while it runs. connections: the totals over each of its newest connections.
    omitted: what a source of many files has left out, which grows while it runs. redaction: that of the newest frame, with the
    counts of all frames; None before the first one.
    """

    def __init__(
        self,
        period_ns: int,
        memory: MemoryCounts | None = None,
        events: Collection[ConnectionEvent] = (),
        omitted: Collection[Omission] = (),
    ) -> None:
        self.period_ns, self.events, self.omitted = period_ns, events, omitted
        self.connections: deque[Histogram] = deque([Histogram()], maxlen=_MAX_CONNECTIONS)
        self.counts, self.memory = FrameCounts(), memory or MemoryCounts()
        self.stages = defaultdict[str, Histogram](Histogram)
        self.warnings: list[str] = []  # about the network's answers
        self.redaction: Redaction | None = None
        self._elapsed_ns = self._last_ns = self._runs = 0

    def add(self, trace: LatencyTrace, dropped: int = 0) -> None:
        """Count one frame, and the frames that were dropped before it."""
        for name, duration_ns in [*trace.stages_ns.items(), (TOTAL, trace.total_ns)]:
            self.stages[name].add(duration_ns)
        self.connections[-1].add(trace.total_ns)
        self.counts.late += trace.total_ns > self.period_ns
        self._elapsed_ns += trace.ended_ns - self._last_ns if self._last_ns else 0
        self._last_ns = trace.ended_ns
        self.counts.frames += 1
        self.counts.dropped += dropped
        self._runs = max(self._runs, 1)

    def reconnected(self) -> None:
        """Start the latency of another connection, to which the following frames belong."""
        if self.connections[-1].count:
            self.connections.append(Histogram())

    def merge(self, other: "LatencyReport") -> None:
        """Add the counts of another run; the time between the runs is left out."""
        for name, histogram in other.stages.items():
            self.stages[name].merge(histogram)
        _add(self.counts, other.counts)
        _add(self.memory, other.memory)
        if other.redaction:
            self.redaction = other.redaction.after(self.redaction)
        self._elapsed_ns += other._elapsed_ns
        self._runs += other._runs

    @property
    def fps(self) -> float:
        """Return finished frames per second, from the first to the last of each run; NaN for fewer than two."""
        return (self.counts.frames - self._runs) * 1e9 / self._elapsed_ns if self._elapsed_ns > 0 else math.nan

    def percentile_ms(self, percent: float, stage: str = TOTAL) -> float:
        """Return a percentile of a stage in milliseconds; NaN where it never ran."""
        return self.stages.get(stage, Histogram()).percentile_ms(percent)

    def to_json(self) -> Mapping[str, Any]:
        """Return the report as plain values: counts, fps, and the summary of each stage in milliseconds."""
        counts = asdict(self.counts) | {"memory": asdict(self.memory)}
        stages = {name: _finite_or_none(histogram.summary()) for name, histogram in self.ordered()}
        rate = {"fps": _finite_or_none({"fps": self.fps})["fps"], "period_ms": self.period_ns / 1e6}
        omitted = {"omitted": [asdict(part) for part in self.omitted]} if self.omitted else {}
        told = {"warnings": list(self.warnings)} if self.warnings else {}
        redaction = {"redaction": self.redaction.to_json()} if self.redaction else {}
        return counts | told | rate | redaction | {"stages_ms": stages} | omitted | self._connection_json()

    def _connection_json(self) -> dict[str, Any]:
        """Return the events and connections of a live source; empty for other sources."""
        if not self.events:
            return {}
        first_ns = next(iter(self.events)).at_ns
        events = [{"state": e.state.value, "at_ms": round((e.at_ns - first_ns) / 1e6), "reason": e.reason} for e in self.events]
        totals = [{"frames": one.count} | _finite_or_none(one.summary()) for one in self.connections if one.count]
        return {"events": events, "connections_ms": totals}

    def ordered(self) -> list[tuple[str, Histogram]]:
        """Return the stages in the order in which they ran, the total last."""
        return sorted(self.stages.items(), key=lambda item: item[0] == TOTAL)


def _add(counts: FrameCounts | MemoryCounts, others: FrameCounts | MemoryCounts) -> None:
    for name, count in asdict(others).items():
        setattr(counts, name, getattr(counts, name) + count)


def _finite_or_none(summary_ms: Mapping[str, float]) -> dict[str, float | None]:
    """Replace non-finite values by None, since JSON has no NaN."""
    return {name: round(value, 4) if math.isfinite(value) else None for name, value in summary_ms.items()}
