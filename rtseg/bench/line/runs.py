"""Performs the separate runs of a benchmark: as fast as possible, alternating with the engine alone; paced; and sustained."""

from collections.abc import Callable, Sequence
from contextlib import closing
from time import perf_counter_ns
from typing import Any

import numpy as np

from rtseg.bench.line.cold_start import time_cold_start
from rtseg.bench.line.plan import ENGINE_ROUND_FRAMES, BenchPlan
from rtseg.bench.line.report import FAST, PACED, SUSTAINED, BenchReport
from rtseg.bench.line.run import BenchRun
from rtseg.bench.line.target import CLOCK, BenchTarget
from rtseg.engines.base import Engine
from rtseg.frame import Frame
from rtseg.overlay import Overlay
from rtseg.pipeline import Pipeline
from rtseg.session.session import Session
from rtseg.sinks.preview import DrawSink
from rtseg.sources import Source, open_source
from rtseg.sources.playback import LoopingSource, PacedSource
from rtseg.system.machine import describe_machine
from rtseg.system.power import Meter, PowerSampler
from rtseg.wall_clock import utc_now

Progress = Callable[[str], None]
_ENDLESS = 10**9  # frames: the run ends by its own count


def bench_pipeline(target: BenchTarget, plan: BenchPlan, progress: Progress, meters: Sequence[Meter] = ()) -> BenchReport:
    """Run the whole benchmark.

    progress: called with a description of each part as it starts. meters: power meters, sampled in the sustained run.
    Raises SourceError, EngineError.
    """
    began_at, first = utc_now(), _first_frame(target.source)
    about = {"began_at": began_at, "clock": CLOCK, "quick": plan.quick, "machine": describe_machine()}
    result = BenchReport(target.to_json(first) | about)
    if plan.cold:
        progress("a cold start")
        arguments = (target.model, target.engine_name, target.threads, first.image.shape)
        result.extras["cold_start_ms"] = time_cold_start(*arguments)
    _alternate_with_engine(target, plan, progress, result)
    progress("paced")
    result.runs[PACED] = _run_paced(target, plan.fps, plan.warmup, _stop_after(plan.frames, plan.seconds))
    if plan.minutes:
        result.runs[SUSTAINED], result.extras["power"] = _run_sustained(target, plan, progress, meters)
    return result


def _first_frame(uri: str) -> Frame:
    with closing(LoopingSource(uri, 1)) as source:
        return next(iter(source))


def _alternate_with_engine(target: BenchTarget, plan: BenchPlan, progress: Progress, result: BenchReport) -> None:
    """Alternate between the engine alone and the whole pipeline, so that other load on the machine affects both."""
    frames, seconds = max(2, plan.frames // plan.rounds), plan.seconds / plan.rounds
    run = result.runs[FAST] = BenchRun(_period_ns(target.source))
    for turn in range(plan.rounds):
        progress(f"as fast as possible, round {turn + 1} of {plan.rounds}")
        result.engine_fps.append(_engine_fps(target.engine, min(frames, ENGINE_ROUND_FRAMES), plan.warmup))
        pipeline = _pipeline(LoopingSource(target.source, _ENDLESS), target, plan.warmup)
        run.record_pipeline(pipeline, _stop_after(frames, seconds))
        result.line_fps.append(pipeline.report.fps)


def _run_paced(target: BenchTarget, fps: float | None, warmup: int, enough: Callable[[int, float], bool]) -> BenchRun:
    pipeline = _pipeline(PacedSource(LoopingSource(target.source, _ENDLESS), fps), target, warmup)
    run = BenchRun(pipeline.source.info.period_ns)
    run.record_pipeline(pipeline, enough)
    return run


def _run_sustained(
    target: BenchTarget, plan: BenchPlan, progress: Progress, meters: Sequence[Meter]
) -> tuple[BenchRun, dict[str, Any]]:
    """Run at the source's frame rate for minutes, sampling power and temperature."""
    progress(f"sustained, {plan.minutes:g} minutes")
    with PowerSampler(meters) as watch:
        run = _run_paced(target, plan.fps, plan.warmup, _stop_after(1, 60 * plan.minutes))
    return run, watch.to_json(run.report.counts.frames)


def _stop_after(frames: int, seconds: float) -> Callable[[int, float], bool]:
    return lambda counted, lasted_s: counted >= frames and lasted_s >= seconds


def _period_ns(uri: str) -> int:
    with closing(open_source(uri)) as source:
        return source.info.period_ns


def _pipeline(source: Source, target: BenchTarget, warmup: int) -> Pipeline:
    return Pipeline(source, Session(target.engine, temporal=target.temporal), DrawSink(Overlay()), warmup=warmup)


def _engine_fps(engine: Engine, frames: int, warmup: int) -> float:
    """Return the frames a second of the engine in a bare loop."""
    spec, state = engine.spec, engine.initial_state()
    x = np.zeros((1, spec.channels, *spec.size), np.float32)
    for _ in range(warmup):
        _, state = engine.infer(x, state)
    started_ns = perf_counter_ns()
    for _ in range(frames):
        _, state = engine.infer(x, state)
    return frames * 1e9 / (perf_counter_ns() - started_ns)
