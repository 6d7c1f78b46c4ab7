"""`rtseg run`: segments a source and writes or shows the results."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from rtseg.cli.app import app, console
from rtseg.cli.options.beam_space import BeamSpaceOption, beam_geometry
from rtseg.cli.options.budget import BudgetOption, budget_sinks, shrinkable_engine
from rtseg.cli.options.dicom import DicomOutputs
from rtseg.cli.options.display import DisplayOptions, connect_pages
from rtseg.cli.options.enhance import EnhanceOption, parse_enhancement
from rtseg.cli.options.familiarity import MeasureUnfamiliarOption, print_familiarity
from rtseg.cli.options.grouped import grouped
from rtseg.cli.options.igtl import IgtlOptions, print_missed
from rtseg.cli.options.limits import LimitOptions, StreamLimit
from rtseg.cli.options.live import PolicyOption, print_reconnects
from rtseg.cli.options.logs import LogOptions
from rtseg.cli.options.measures import MeasureOption, measure_names
from rtseg.cli.options.model import EngineOption, OnnxModelDescription, ThreadsOption, load
from rtseg.cli.options.omissions import StrictOption, check_strict, print_omitted, report_omissions
from rtseg.cli.options.outputs import PRIVATE, FileOutputs, ModeOption, prepare_outputs, print_written
from rtseg.cli.options.plugins import SinkOption, plugin_sinks, print_failed_sinks
from rtseg.cli.options.postprocess import PostprocessOption, parse_postprocess
from rtseg.cli.options.prompts import PromptedModelOption, PromptOptions, check_all_used, chosen_model, point
from rtseg.cli.options.record import (
    RecordOption,
    make_session,
    print_recording_result,
    recording_sinks,
    scaled_source,
    sector_option,
)
from rtseg.cli.options.redaction import KeepSurroundingsOption, RedactOption, print_redaction, redaction_mode
from rtseg.cli.options.temporal import StabilizationOptions
from rtseg.cli.options.waiting import EngineTimeoutOption, MaxAgeOption
from rtseg.cli.tables import latency_table
from rtseg.cli.threads import limit_threads
from rtseg.engines.engine_use import closing_engine
from rtseg.errors import SourceError
from rtseg.exit_codes import EXIT_LEFT_OUT
from rtseg.pipeline import Pipeline
from rtseg.session.redaction import RedactionMode
from rtseg.sinks.base import Sink
from rtseg.sinks.igtl.sink import IgtlSink
from rtseg.sinks.systemd import watchdog_sinks
from rtseg.sinks.video.sink import VideoSink
from rtseg.sources import Source, open_source
from rtseg.sources.address import masked_address
from rtseg.sources.base import omitted_parts
from rtseg.sources.files.replay import without_gaps
from rtseg.sources.open import KNOWN_SOURCES

SOURCES = f"The source: {KNOWN_SOURCES}."


@app.command()
@grouped
def run(
    *,
    source: Annotated[str, typer.Argument(help=SOURCES)],
    model: PromptedModelOption = "",
    prompts: PromptOptions,
    engine: EngineOption = "auto",
    files: FileOutputs,
    dicom: DicomOutputs,
    sink: SinkOption = None,
    mode: ModeOption = PRIVATE,
    fps: Annotated[
        float | None, typer.Option("--fps", min=0.1, help="The frame rate of the source, if it is wrong or unknown.")
    ] = None,
    spacing: Annotated[
        float | None,
        typer.Option("--spacing", min=1e-6, help="The pixel size of the source in millimeters: a pixel's height."),
    ] = None,
    opacity: Annotated[float, typer.Option("--opacity", min=0, max=1, help="The opacity of the overlay, from 0 to 1.")] = 0.4,
    warmup: Annotated[
        int, typer.Option("--warmup", min=0, help="The number of first frames that the table does not count.")
    ] = 10,
    sector: Annotated[
        str,
        typer.Option("--sector", help="The ultrasound sector on the screen: auto, off, or TOP,LEFT,HEIGHT,WIDTH in pixels."),
    ] = "auto",
    scanner: Annotated[
        Path | None,
        typer.Option("--scanner", help="The card of the scanner, from `rtseg doctor --source URI --save`: no search."),
    ] = None,
    redact: RedactOption = "",
    keep_surroundings: KeepSurroundingsOption = False,
    stabilization: StabilizationOptions,
    record: RecordOption = None,
    skip_gaps: Annotated[bool, typer.Option("--skip-gaps", help="Skip gaps of more than 5 s in a replay.")] = False,
    policy: PolicyOption = None,
    strict: StrictOption = False,
    speckle: EnhanceOption = None,
    postprocess: PostprocessOption = None,
    beam_space: BeamSpaceOption = "",
    uncertainty: Annotated[
        bool, typer.Option("--uncertainty", help="Draw the contour wider where the border is less certain.")
    ] = False,
    measures: MeasureOption = None,
    measure_unfamiliar: MeasureUnfamiliarOption = False,
    display: DisplayOptions,
    igtl_output: IgtlOptions,
    budget: BudgetOption = "",
    threads: ThreadsOption = 0,
    engine_timeout: EngineTimeoutOption = None,
    max_age: MaxAgeOption = None,
    limits: LimitOptions,
    logs: LogOptions,
    description: OnnxModelDescription,
) -> None:
    """Segment SOURCE, and write the overlay, the masks and the measurements.

    The exit status is 0; 3 where a file of a folder or a part of a series could not be read and was left out,
    or a plug-in's output ends early; 1 for an error.
    """
    redaction = redaction_mode(redact, keep_surroundings)
    prepare_outputs(mode)
    limit_threads()
    source = without_gaps(source) if skip_gaps else source
    temporal, enhancement, cleaning = stabilization.options(), parse_enhancement(speckle), parse_postprocess(postprocess)
    geometry, trusted, given = beam_geometry(beam_space), description.trust_model, prompts.parse()
    model = chosen_model(model, given)
    with logs.printed(), ExitStack() as resources:
        network = load(model, engine, threads, description.facts_for(model), trusted=trusted)
        network = shrinkable_engine(network, budget, model, threads, trusted=trusted)
        resources.enter_context(closing_engine(network))
        written = files.sinks(opacity, network.spec.name, source=source, model=model)
        written += dicom.sinks(network.spec, source=source, model=model) + plugin_sinks(sink)
        named = open_source(source, fps=fps)
        live = display.sinks(opacity) + igtl_output.sinks(opacity)
        check_strict(named, strict=strict)
        opened = display.playback_source(source, named, at_its_pace=bool(live) and not written, fps=fps)
        opened = scaled_source(opened, scanner)
        session = make_session(
            named,
            network,
            sector_option(sector, scanner),
            redact=redaction if record else RedactionMode.OFF,
            geometry=geometry,
            spacing_mm=spacing,
            temporal=temporal,
            speckle=enhancement,
            postprocess=cleaning,
            engine_timeout_s=engine_timeout,
            measures=measure_names(measures),
        )
        session.settings = replace(
            session.settings,
            uncertainty=uncertainty,
            measure_unfamiliar=measure_unfamiliar,
            probabilities=dicom.needs_probabilities,
        )
        point(session, given, opened.info)
        connect_pages(live, session, opened)
        recorder = recording_sinks(record, session, network.spec.name, redaction is RedactionMode.OFF)
        sinks = written + live + watchdog_sinks() + recorder + budget_sinks(budget, session, network)
        report_omissions(sinks, opened)
        pipeline = Pipeline(opened, session, *sinks, warmup=warmup, redact=redaction, policy=policy, max_age_ms=max_age)
        title = f"{masked_address(source)} through {network.spec.name}"
        _run_pipeline(pipeline, title, StreamLimit(limits, opened), strict=strict)
    files.print_paths()
    dicom.print_paths(sinks)
    print_written(record)
    check_all_used(session)
    if print_failed_sinks(sinks) or omitted_parts(opened):
        raise typer.Exit(EXIT_LEFT_OUT)


def _run_pipeline(pipeline: Pipeline, title: str, limit: StreamLimit, *, strict: bool) -> None:
    """Run the pipeline to its end, and print the table even if the source fails on the way."""
    try:
        with _progress(pipeline.source) as advance, closing(limit), closing(iter(pipeline)) as results:
            for result in results:
                check_strict(pipeline.source, strict=strict)
                advance()
                if limit.is_reached(result):
                    break
        check_strict(pipeline.source, strict=strict)
    finally:
        counts = pipeline.report.counts
        if counts.frames:
            console.print(latency_table(pipeline.report, title))
        for warning in pipeline.report.warnings:
            console.print(warning, style="yellow", highlight=False, markup=False)
        print_reconnects(pipeline.source)
        print_omitted(pipeline.source)
        _print_dropped(pipeline.sinks)
        print_redaction(pipeline.report.redaction)
        print_familiarity(pipeline.report.memory, is_measured=pipeline.session.settings.measure_unfamiliar)
        print_recording_result(pipeline.session, pipeline.sinks)
    if not counts.frames + counts.warmup:
        raise SourceError("the source gave no frame: check that it plays in another program")


@contextmanager
def _progress(source: Source) -> Iterator["FrameProgress"]:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        yield FrameProgress(progress, source.info.frames)


class FrameProgress:
    """Advances a progress bar by one frame at each call."""

    def __init__(self, progress: Progress, total: int | None) -> None:
        self._progress, self._task = progress, progress.add_task("frames", total=total)

    def __call__(self) -> None:
        self._progress.advance(self._task)


def _print_dropped(sinks: Iterable[Sink]) -> None:
    for sink in sinks:
        if isinstance(sink, VideoSink) and sink.dropped:
            console.print(f"the video lacks {sink.dropped} frames: encoding was slower than the stream", style="yellow")
        if isinstance(sink, IgtlSink):
            print_missed(sink)
