"""Runs several streams or models of one `rtseg run`, and prints how each of them ended."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from math import inf

import typer

from rtseg.cli.app import console
from rtseg.cli.assembly import StreamModel, assemble, is_left_out, print_outputs, print_warnings
from rtseg.cli.console import show
from rtseg.cli.options.budget import shrinkable_engine
from rtseg.cli.options.limits import StreamLimit
from rtseg.cli.options.model import load
from rtseg.cli.options.omissions import check_strict
from rtseg.cli.options.prompts import chosen_model
from rtseg.cli.options.stream import StreamOptions
from rtseg.cli.stream_outputs import make_output_folders
from rtseg.cli.stream_plan import ModelPlan, RunPlan, StreamPlan
from rtseg.cli.streams_report import print_end, print_line, streams_table
from rtseg.engines.base import Engine
from rtseg.engines.engine_pool import EnginePool, closing_pool
from rtseg.engines.openvino import requests_at_once
from rtseg.engines.watchdog import FILE_TIMEOUT_S
from rtseg.errors import SourceError, StreamRefused
from rtseg.exit_codes import EXIT_ERROR, EXIT_LEFT_OUT
from rtseg.pipeline import Pipeline
from rtseg.result import Result
from rtseg.session.session import Session
from rtseg.session.stabilizer import TemporalOptions
from rtseg.sinks.base import Sink
from rtseg.sinks.systemd import watchdog_sinks
from rtseg.sources.base import path_exists
from rtseg.streams.admission import Admission, Capacity, refuse_surplus
from rtseg.streams.capacity import measure_frame_rate
from rtseg.streams.group import StreamGroup
from rtseg.streams.shared_sinks import SharedSinks
from rtseg.streams.stream import Stream, StreamOutcome
from rtseg.system.machine import available_cores
from rtseg.system.memory import free_memory

_PACED = ("clip:", "synthetic:")  # sources that are never live


def run_streams(plan: RunPlan, threads: int) -> None:
    """Run all streams of a plan to their ends. Raises typer.Exit where one failed or was left out."""
    make_output_folders([(stream.source, stream.options) for stream in plan.streams])
    with ExitStack() as resources:
        shared = resources.enter_context(closing(SharedSinks(watchdog_sinks())))
        with requests_at_once(min(len(plan.streams), threads or available_cores())):
            pools = [resources.enter_context(closing_pool(_loader(model, plan, threads))) for model in plan.models]
            capacity = _capacity(plan, pools)
        refused = refuse_surplus([stream.name for stream in plan.streams], capacity)
        admission = Admission(capacity)
        admitted = [
            RunningStream(stream, _stream_models(plan.models, pools, stream), admission, shared.members())
            for stream in plan.streams
            if stream.name not in refused
        ]
        outcomes = [StreamOutcome(name, None, why) for name, why in refused.items()]
        _play(admitted, outcomes)
    _finish(admitted, outcomes, [model.name for model in plan.models])


def _stream_models(models: Sequence[ModelPlan], pools: Sequence[EnginePool], stream: StreamPlan) -> list[StreamModel]:
    """Return the models of a stream, each with an engine of its own."""
    planned = zip(models, pools, map(_patient, stream.options), strict=True)
    return [StreamModel(model.model, pool.take(), options) for model, pool, options in planned]


def _patient(options: StreamOptions) -> StreamOptions:
    """Return the options with a longer limit of an engine call, which may have to queue behind those of other streams."""
    return options if options.engine_timeout is not None else replace(options, engine_timeout=FILE_TIMEOUT_S)


def _loader(model: ModelPlan, plan: RunPlan, threads: int) -> Callable[[], Engine]:
    first, trusted = plan.streams[0].options[0], model.description.trust_model
    name = chosen_model(model.model, [])

    def open_engine() -> Engine:
        engine = load(name, model.engine, threads, model.description.facts_for(name), trusted=trusted)
        return shrinkable_engine(engine, first.budget, name, threads, trusted=trusted)

    return open_engine


def _capacity(plan: RunPlan, pools: Sequence[EnginePool]) -> Capacity:
    """Return what this machine can do; the time is measured only where a stream may be live."""
    side_by_side = min(len(plan.streams), available_cores())
    engines = [[pool.take() for _ in range(side_by_side)] for pool in pools]
    if all(path_exists(stream.source) or stream.source.startswith(_PACED) for stream in plan.streams):
        return Capacity(inf, free_memory())
    return Capacity(1 / sum(1 / measure_frame_rate(each) for each in engines), free_memory())


class RunningStream:
    """Opens one planned stream in its thread, and prints its end in the main thread."""

    def __init__(self, plan: StreamPlan, models: Sequence[StreamModel], admission: Admission, watchdog: Sequence[Sink]) -> None:
        self.plan, self._models, self._admission, self._watchdog = plan, models, admission, watchdog
        self._limit: StreamLimit | None = None
        self.stream = Stream(plan.name, self._open, self._is_last)

    def _open(self) -> Pipeline:
        lead, *others = self._models
        pipeline = assemble(self.plan.source, lead, others, self._watchdog)
        try:
            self._admit(pipeline)
        except StreamRefused:
            pipeline.source.close()
            raise
        self._limit = StreamLimit(lead.options.limits, pipeline.source)
        return pipeline

    def _admit(self, pipeline: Pipeline) -> None:
        every = self._models[0].options.stabilization.every
        share = self._admission.admit(self.plan.name, pipeline.source.info, every)
        if share.every > every:
            for session in [pipeline.session, *(one.session for one in pipeline.companions)]:
                _run_every(session, share.every)
            print_line(
                self.plan.name, f"degraded, since the machine is full: the model runs on 1 of {share.every} frames", "yellow"
            )

    def _is_last(self, result: Result) -> bool:
        return self._limit is None or self._limit.is_reached(result)

    def finish(self, outcome: StreamOutcome) -> StreamOutcome:
        """Return the outcome with the errors that show at the end, and give back the share of the machine."""
        self._admission.release(self.plan.name)
        if self._limit:
            self._limit.close()
        if outcome.error or outcome.is_stopped or outcome.pipeline is None:
            return outcome
        try:
            check_strict(outcome.pipeline.source, strict=self._models[0].options.strict)
            if not outcome.frames:
                raise SourceError("the source gave no frame: check that it plays in another program")
        except SourceError as error:
            return replace(outcome, error=error)
        return outcome

    def print_outputs(self, pipeline: Pipeline) -> None:
        """Print the files of the stream."""
        sinks = [pipeline.sinks, *(one.sinks for one in pipeline.companions)]
        for options, written in zip(self.plan.options, sinks, strict=True):
            print_outputs(options, written)


def _play(streams: Sequence[RunningStream], outcomes: list[StreamOutcome]) -> None:
    """Run the streams, print the end of each, and add its outcome."""
    by_name = {stream.plan.name: stream for stream in streams}
    for outcome in outcomes:
        print_end(outcome)
    group = StreamGroup([stream.stream for stream in streams])
    with closing(group.run()) as ended:
        for outcome in ended:
            outcomes.append(by_name[outcome.name].finish(outcome))
            print_end(outcomes[-1])


def _finish(streams: Sequence[RunningStream], outcomes: Sequence[StreamOutcome], models: Sequence[str]) -> None:
    """Print the table and what was written, and exit with the status of the worst stream."""
    show(streams_table(outcomes, models))
    found = {outcome.name: outcome for outcome in outcomes}
    has_left_out = any(isinstance(outcome.error, StreamRefused) for outcome in outcomes)
    for stream in streams:
        pipeline = found[stream.plan.name].pipeline
        if pipeline:
            console.print(f"{stream.plan.name}:", highlight=False, markup=False)
            print_warnings(pipeline)
            stream.print_outputs(pipeline)
            has_left_out |= is_left_out(pipeline)
    if any(outcome.error and not isinstance(outcome.error, StreamRefused) for outcome in outcomes):
        raise typer.Exit(EXIT_ERROR)
    if has_left_out:
        raise typer.Exit(EXIT_LEFT_OUT)


def _run_every(session: Session, every: int) -> None:
    session.temporal = replace(session.temporal or TemporalOptions(), every=every)
