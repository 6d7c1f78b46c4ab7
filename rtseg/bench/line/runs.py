"""Performs the separate runs of a benchmark: as fast as possible, alternating with the engine alone; paced; and sustained."""

from collections.abc import Callable, Sequence
from contextlib import closing
from time import perf_counter_ns
from typing import Any

import numpy as np

from rtseg.bench.line.cold_start import cold_start
from rtseg.bench.line.plan import ALONE_FRAMES, Plan
from rtseg.bench.line.report import FAST, PACED, SUSTAINED, Bench
from rtseg.bench.line.run import Run
from rtseg.bench.line.target import CLOCK, Subject
from rtseg.engines.base import Engine
from rtseg.frame import Frame
from rtseg.overlay import Overlay
from rtseg.pipeline import Pipeline
from rtseg.session.session import Session
from rtseg.sinks.preview import DrawSink
from rtseg.sources import Source, open_source
from rtseg.sources.playback import Paced, Repeated
from rtseg.system.machine import describe
from rtseg.system.power import Meter, Watch

Progress = Callable[[str], None]
_ENDLESS = 10**9  # frames: the run ends by its own count


def bench(subject: Subject, plan: Plan, progress: Progress, meters: Sequence[Meter] = ()) -> Bench:
    """Run the whole benchmark.

    progress: called with a description of each part as it starts. meters: power meters, sampled in the sustained run.
    Raises SourceError, EngineError.
    """
    first = _first_frame(subject.source)
    result = Bench({**subject.to_json(first), "clock": CLOCK, "quick": plan.quick, "machine": describe()})
    if plan.cold:
        progress("a cold start")
        arguments = (subject.model, subject.engine_name, subject.threads, first.image.shape)
        result.extras["cold_start_ms"] = cold_start(*arguments)
    _take_turns(subject, plan, progress, result)
    progress("paced")
    result.runs[PACED] = _paced(subject, plan.fps, plan.warmup, _enough(plan.frames, plan.seconds))
    if plan.minutes:
        result.runs[SUSTAINED], result.extras["power"] = _sustained(subject, plan, progress, meters)
    return result


def _first_frame(uri: str) -> Frame:
    with closing(Repeated(uri, 1)) as source:
        return next(iter(source))


def _take_turns(subject: Subject, plan: Plan, progress: Progress, result: Bench) -> None:
    """Alternate between the engine alone and the whole pipeline, so that other load on the machine affects both."""
    frames, seconds = max(2, plan.frames // plan.rounds), plan.seconds / plan.rounds
    run = result.runs[FAST] = Run(_period_ns(subject.source))
    for turn in range(plan.rounds):
        progress(f"as fast as possible, round {turn + 1} of {plan.rounds}")
        result.engine_fps.append(_alone(subject.engine, min(frames, ALONE_FRAMES), plan.warmup))
        pipeline = _pipeline(Repeated(subject.source, _ENDLESS), subject, plan.warmup)
        run.follow(pipeline, _enough(frames, seconds))
        result.line_fps.append(pipeline.report.fps)


def _paced(subject: Subject, fps: float | None, warmup: int, enough: Callable[[int, float], bool]) -> Run:
    pipeline = _pipeline(Paced(Repeated(subject.source, _ENDLESS), fps), subject, warmup)
    run = Run(pipeline.source.info.period_ns)
    run.follow(pipeline, enough)
    return run


def _sustained(subject: Subject, plan: Plan, progress: Progress, meters: Sequence[Meter]) -> tuple[Run, dict[str, Any]]:
    """Run at the source's frame rate for minutes, sampling power and temperature."""
    progress(f"sustained, {plan.minutes:g} minutes")
    with Watch(meters) as watch:
        run = _paced(subject, plan.fps, plan.warmup, _enough(1, 60 * plan.minutes))
    return run, watch.to_json(run.report.counts.frames)


def _enough(frames: int, seconds: float) -> Callable[[int, float], bool]:
    return lambda counted, lasted_s: counted >= frames and lasted_s >= seconds


def _period_ns(uri: str) -> int:
    with closing(open_source(uri)) as source:
        return source.info.period_ns


def _pipeline(source: Source, subject: Subject, warmup: int) -> Pipeline:
    return Pipeline(source, Session(subject.engine, temporal=subject.temporal), DrawSink(Overlay()), warmup=warmup)


def _alone(engine: Engine, frames: int, warmup: int) -> float:
    """Return the frames a second of the engine in a bare loop."""
    spec, state = engine.spec, engine.initial_state()
    x = np.zeros((1, spec.channels, *spec.size), np.float32)
    for _ in range(warmup):
        _, state = engine.infer(x, state)
    started_ns = perf_counter_ns()
    for _ in range(frames):
        _, state = engine.infer(x, state)
    return frames * 1e9 / (perf_counter_ns() - started_ns)
