"""Compares engines by running their bare networks in interleaved rounds, so that other load affects all of them alike.

On a shared machine, absolute times mean little, but the ratios within one run are reliable. An INT8 network falls short of the
machine's measured peak for two reasons: the other operations listed in its time shares, and convolutions with too few channels
to fill the vector units.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter_ns
from typing import Any

import numpy as np

from rtseg.engines.base import Engine
from rtseg.engines.profile import PRECISIONS, NetworkProfile, measure_peak
from rtseg.system.machine import describe_machine
from rtseg.wall_clock import utc_now


@dataclass(frozen=True, slots=True)
class BenchEntry:
    """Holds one engine to compare."""

    name: str  # e.g. "openvino int8"
    engine: Engine
    cost: NetworkProfile | None = None  # multiply-accumulates and time shares; None: no share of the peak is reported
    precision: str = "fp32"  # whose peak is the reference for the share


@dataclass(frozen=True, slots=True)
class InterleavedRounds:
    """Holds how often and how long each engine runs."""

    rounds: int = 7  # each engine runs once a round
    frames: int = 15  # measured frames of an engine in a round
    warmup: int = 3  # frames before them, not counted


@dataclass(slots=True)
class EngineBench:
    """Holds the results of a comparison of engines."""

    entries: Sequence[BenchEntry]
    turns: InterleavedRounds
    threads: int  # of the engines and of the measured peak
    peaks: dict[str, float] = field(default_factory=dict)  # fastest multiply-accumulates a second, by precision
    rounds_ms: dict[str, list[float]] = field(default_factory=dict)  # median milliseconds a frame of each round, by name
    best_ms: dict[str, float] = field(default_factory=dict)  # milliseconds of the fastest frame, by name
    began_at: str = field(default_factory=utc_now)  # wall-clock time at which the comparison began, ISO 8601 in UTC

    def speedup(self, name: str, other: str) -> float:
        """Return how many times as fast as `other` the engine `name` is, as the median over the rounds."""
        pairs = zip(self.rounds_ms[other], self.rounds_ms[name], strict=True)
        return median(slow / fast for slow, fast in pairs)

    def fraction_of_peak(self, entry: BenchEntry) -> float | None:
        """Return the share of the machine's peak in its precision that its fastest frame reaches; None without a cost."""
        if entry.cost is None:
            return None
        return entry.cost.macs / self.peaks[entry.precision] / (self.best_ms[entry.name] / 1e3)

    def median_ms(self, name: str) -> float:
        """Return the milliseconds a frame, as the median over the rounds' medians."""
        return median(self.rounds_ms[name])

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain values; `times_as_fast[row][column]` is the speedup of row over column."""
        names = [entry.name for entry in self.entries]
        return {
            "began_at": self.began_at,
            "machine": describe_machine(),
            "threads": self.threads,
            "rounds": self.turns.rounds,
            "frames_a_round": self.turns.frames,
            "peak_gmac_per_s": {precision: round(rate / 1e9, 2) for precision, rate in self.peaks.items()},
            "engines": [self._row(entry) for entry in self.entries],
            "times_as_fast": {name: {other: round(self.speedup(name, other), 3) for other in names} for name in names},
        }

    def _row(self, entry: BenchEntry) -> dict[str, Any]:
        row: dict[str, Any] = {
            "name": entry.name,
            "model": entry.engine.spec.name,
            "size": entry.engine.spec.size,
            "median_ms": round(self.median_ms(entry.name), 3),
            "best_ms": round(self.best_ms[entry.name], 3),
            "rounds_ms": [round(value, 3) for value in self.rounds_ms[entry.name]],
        }
        if entry.cost is None:
            return row
        at_peak_ms = 1e3 * entry.cost.macs / self.peaks[entry.precision]
        shares = {kind: round(share, 3) for kind, share in entry.cost.shares.items()}
        return row | {
            "gmac": round(entry.cost.macs / 1e9, 4),
            "ms_at_peak": round(at_peak_ms, 3),
            "fraction_of_peak": round(self.fraction_of_peak(entry) or 0, 3),
            "time_goes_to": shares,
        }


def benchmark_engines(
    entries: Sequence[BenchEntry], turns: InterleavedRounds, threads: int = 0, progress: Callable[[str], None] | None = None
) -> EngineBench:
    """Run the engines in interleaved rounds on noise, with their recurrent state carried from frame to frame.

    threads: of the measured peak. progress: called with a description of each part as it starts.
    """
    tell = progress or (lambda _: None)
    result = EngineBench(entries, turns, threads, rounds_ms={entry.name: [] for entry in entries})
    for turn in range(turns.rounds):
        for precision in PRECISIONS:
            tell(f"round {turn + 1} of {turns.rounds}: the machine's peak in {precision}")
            result.peaks[precision] = max(result.peaks.get(precision, 0.0), measure_peak(precision, threads))
        for entry in entries:
            tell(f"round {turn + 1} of {turns.rounds}: {entry.name}")
            times_ms = _times_ms(entry.engine, turns)
            result.rounds_ms[entry.name].append(median(times_ms))
            result.best_ms[entry.name] = min(result.best_ms.get(entry.name, math.inf), *times_ms)
    return result


def _times_ms(engine: Engine, turns: InterleavedRounds) -> list[float]:
    """Return the milliseconds of each frame of noise, with the recurrent state carried over."""
    spec, state = engine.spec, engine.initial_state()
    x = np.random.default_rng(0).standard_normal((1, spec.channels, *spec.size), np.float32)
    times_ms = []
    for _ in range(turns.warmup + turns.frames):
        started_ns = perf_counter_ns()
        _, state = engine.infer(x, state)
        times_ms.append((perf_counter_ns() - started_ns) / 1e6)
    return times_ms[turns.warmup :]
