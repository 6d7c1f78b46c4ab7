"""`rtseg run`: segments a source and writes or shows the results."""

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from rtseg.cli.app import app, console
from rtseg.cli.options.budget import BudgetOption, keeping, saving
from rtseg.cli.options.display import Watching
from rtseg.cli.options.grouped import grouped
from rtseg.cli.options.igtl import Serving, tell_missed
from rtseg.cli.options.live import PolicyOption, events_shown, tell_connections
from rtseg.cli.options.model import EngineOption, ModelOption, OnnxDescription, ThreadsOption, load
from rtseg.cli.options.outputs import PRIVATE, Files, ModeOption, prepare, tell_written
from rtseg.cli.options.record import RecordOption, recording, session_for, tell_recorded
from rtseg.cli.options.temporal import Steadying
from rtseg.cli.tables import latency_table
from rtseg.cli.threads import leave_cores
from rtseg.errors import SourceError
from rtseg.pipeline import Pipeline
from rtseg.session.sector import Guard
from rtseg.session.speckle import FILTERS, SpeckleFilter
from rtseg.sinks.base import Sink
from rtseg.sinks.igtl.sink import IgtlSink
from rtseg.sinks.systemd import watchdogs
from rtseg.sinks.video.sink import VideoSink
from rtseg.sources import Source, open_source
from rtseg.sources.address import shown
from rtseg.sources.files.replay import without_gaps
from rtseg.sources.open import KNOWN

SOURCES = f"The source: {KNOWN}."


@app.command()
@grouped
def run(
    *,
    source: Annotated[str, typer.Argument(help=SOURCES)],
    model: ModelOption = "carotid",
    engine: EngineOption = "openvino",
    files: Files,
    mode: ModeOption = PRIVATE,
    fps: Annotated[
        float | None, typer.Option("--fps", min=0.1, help="The frame rate of the source, if it is wrong or unknown.")
    ] = None,
    spacing: Annotated[
        float | None, typer.Option("--spacing", min=1e-6, help="The pixel size of the source in millimeters.")
    ] = None,
    opacity: Annotated[float, typer.Option("--opacity", min=0, max=1, help="The opacity of the overlay, from 0 to 1.")] = 0.4,
    warmup: Annotated[
        int, typer.Option("--warmup", min=0, help="The number of first frames that the table does not count.")
    ] = 10,
    sector: Annotated[
        str,
        typer.Option("--sector", help="The ultrasound sector on the screen: auto, off, or TOP,LEFT,HEIGHT,WIDTH in pixels."),
    ] = "auto",
    keep_surroundings: Annotated[
        bool,
        typer.Option(
            "--keep-surroundings", help="Keep what surrounds the sector in everything that is written, such as names and dates!"
        ),
    ] = False,
    steadying: Steadying,
    record: RecordOption = None,
    skip_gaps: Annotated[bool, typer.Option("--skip-gaps", help="Skip gaps of more than 5 s in a replay.")] = False,
    policy: PolicyOption = None,
    speckle: Annotated[
        str, typer.Option("--speckle", help=f"Filter speckle before the model, with NAME[:STRENGTH] of {', '.join(FILTERS)}.")
    ] = "",
    uncertainty: Annotated[
        bool, typer.Option("--uncertainty", help="Draw the contour wider where the border is less certain.")
    ] = False,
    watching: Watching,
    serving: Serving,
    budget: BudgetOption = "",
    threads: ThreadsOption = 0,
    description: OnnxDescription,
) -> None:
    """Segment SOURCE, and write the overlay, the masks and the measurements."""
    prepare(mode)
    leave_cores()
    source = without_gaps(source) if skip_gaps else source
    temporal, speckle_filter = steadying.options(), SpeckleFilter.parsed(speckle) if speckle else None
    trusted = description.trust_model
    network = saving(
        load(model, engine, threads, description.of(model), trusted=trusted), budget, model, threads, trusted=trusted
    )
    with closing(network):
        written = files.sinks(opacity, network.spec.name)
        named = open_source(source, fps=fps, spacing_mm=(spacing, spacing) if spacing else None)
        live = watching.sinks(opacity) + serving.sinks(opacity)
        opened = watching.played(source, named, at_its_pace=bool(live) and not written)
        session = session_for(
            named,
            network,
            sector,
            covered=bool(record) and not keep_surroundings,
            temporal=temporal,
            speckle=speckle_filter,
            spacing_mm=opened.info.spacing_mm,
        )
        session.uncertainty = uncertainty
        recorder = recording(record, session, network.spec.name, keep_surroundings)
        sinks = written + live + watchdogs() + recorder + keeping(budget, session, network)
        pipeline = Pipeline(opened, session, *sinks, warmup=warmup, keep_surroundings=keep_surroundings, policy=policy)
        _run(pipeline, title=f"{shown(source)} through {network.spec.name}")
    files.tell()
    tell_written(record)


def _run(pipeline: Pipeline, title: str) -> None:
    """Run the pipeline to its end, and print the table even if the source fails on the way."""
    try:
        with _progress(pipeline.source) as advance, events_shown(), closing(iter(pipeline)) as results:
            for _ in results:
                advance()
    finally:
        counts = pipeline.report.counts
        if counts.frames:
            console.print(latency_table(pipeline.report, title))
        tell_connections(pipeline.source)
        _tell_dropped(pipeline.sinks)
        _tell_exposed(pipeline.guard)
        tell_recorded(pipeline.session, pipeline.sinks)
    if not counts.frames + counts.warmup:
        raise SourceError("the source gave no frame: check that it plays in another program")


@contextmanager
def _progress(source: Source) -> Iterator["Advance"]:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        yield Advance(progress, source.info.frames)


class Advance:
    """Advances a progress bar by one frame at each call."""

    def __init__(self, progress: Progress, total: int | None) -> None:
        self._progress, self._task = progress, progress.add_task("frames", total=total)

    def __call__(self) -> None:
        self._progress.advance(self._task)


def _tell_dropped(sinks: Iterable[Sink]) -> None:
    for sink in sinks:
        if isinstance(sink, VideoSink) and sink.dropped:
            console.print(f"the video lacks {sink.dropped} frames: encoding was slower than the stream", style="yellow")
        if isinstance(sink, IgtlSink):
            tell_missed(sink)


def _tell_exposed(guard: Guard | None) -> None:
    if guard and guard.exposed:
        console.print(
            f"{guard.exposed} frames were written without redaction, since no sector was found in them: "
            f"name it with --sector TOP,LEFT,HEIGHT,WIDTH",
            style="yellow",
        )
