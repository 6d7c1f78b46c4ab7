"""A first benchmark: the line around the engine against the engine alone, and the line at its source's own pace."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter_ns
from typing import Any

import numpy as np

from rtseg.engines.base import Engine
from rtseg.machine import describe, memory_mb
from rtseg.overlay import Overlay
from rtseg.pipeline import Pipeline
from rtseg.session import Session
from rtseg.sinks.draw import DrawSink
from rtseg.sources import Source, open_source
from rtseg.sources.paced import Paced
from rtseg.sources.repeat import Repeated
from rtseg.trace import LatencyReport


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured.

    frames: of each run, warm-up not counted. warmup: the first frames of each run, which do not count. rounds: the engine
    alone and the whole line take turns this often. fps: the pace of the paced run, None for the source's own.
    """

    frames: int = 600
    warmup: int = 30
    rounds: int = 5
    fps: float | None = None


@dataclass(slots=True)
class Bench:
    """What was measured; times in milliseconds, rates in frames a second."""

    about: dict[str, Any]
    engine_fps: list[float] = field(default_factory=list)  # the engine alone, a figure a round
    line_fps: list[float] = field(default_factory=list)  # read, session and overlay, a figure a round
    fast: LatencyReport | None = None
    paced: LatencyReport | None = None
    memory_mb: list[tuple[int, float | None]] = field(default_factory=list)  # in the paced run: frame, and memory held then

    @property
    def ratio(self) -> float:
        """The whole line's frames a second against the engine's alone, the median over the rounds."""
        return median(line / engine for line, engine in zip(self.line_fps, self.engine_fps, strict=True))

    def to_json(self) -> dict[str, Any]:
        """The report as plain values."""
        runs = {"as_fast_as_possible": self.fast, "paced": self.paced}
        return {
            **self.about,
            "engine_alone_fps": [round(fps, 2) for fps in self.engine_fps],
            "line_fps": [round(fps, 2) for fps in self.line_fps],
            "line_over_engine": round(self.ratio, 3),
            **{name: report.to_json() for name, report in runs.items() if report},
            "memory_mb": self.memory_mb,
        }


def bench(uri: str, engine: Engine, plan: Plan, progress: Callable[[str], None]) -> Bench:
    """Measure the source `uri` through `engine`; `progress` is told what runs now."""
    result = Bench({"source": uri, "model": engine.spec.name, "clock": CLOCK, "machine": describe()})
    _take_turns(uri, engine, plan, progress, result)
    progress("paced")
    paced = _pipeline(Paced(Repeated(uri, plan.frames + plan.warmup), plan.fps), engine, plan.warmup)
    result.memory_mb = list(_watched(paced, every=max(1, plan.frames // _MEMORY_SAMPLES)))
    result.paced = paced.report
    return result


def _watched(pipeline: Pipeline, every: int) -> Iterator[tuple[int, float | None]]:
    """Run to the end, and look at the memory after each `every` frames."""
    for count, _ in enumerate(pipeline, start=1):
        if count % every == 0:
            yield count, memory_mb()


_MEMORY_SAMPLES = 20
CLOCK = "from the decoded frame to the finished overlay: wait, preprocess, engine, postprocess, overlay; no encoding"


def _take_turns(uri: str, engine: Engine, plan: Plan, progress: Callable[[str], None], result: Bench) -> None:
    """The engine alone and the whole line in turns, so that a noisy neighbour disturbs both."""
    frames = max(2, plan.frames // plan.rounds)
    with_source = open_source(uri)
    result.fast = LatencyReport(with_source.info.period_ns)
    with_source.close()
    for turn in range(plan.rounds):
        progress(f"as fast as possible, round {turn + 1} of {plan.rounds}")
        result.engine_fps.append(_alone(engine, frames, plan.warmup))
        report = _pipeline(Repeated(uri, frames + plan.warmup), engine, plan.warmup).run()
        result.line_fps.append(report.fps)
        result.fast.merge(report)


def _pipeline(source: Source, engine: Engine, warmup: int) -> Pipeline:
    return Pipeline(source, Session(engine), DrawSink(Overlay()), warmup=warmup)


def _alone(engine: Engine, frames: int, warmup: int) -> float:
    """Frames a second of the engine in a bare loop."""
    spec, state = engine.spec, engine.initial_state()
    x = np.zeros((1, spec.channels, *spec.size), np.float32)
    for _ in range(warmup):
        _, state = engine.infer(x, state)
    started_ns = perf_counter_ns()
    for _ in range(frames):
        _, state = engine.infer(x, state)
    return frames * 1e9 / (perf_counter_ns() - started_ns)
