"""`rtseg run`: a source through a model, with what is wanted of it written down."""

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from rtseg.cli.app import app, console
from rtseg.cli.budget import BudgetOption, keeping, saving
from rtseg.cli.igtl import USUAL_PARTS, IgtlOption, IgtlSendOption, serving, tell_missed
from rtseg.cli.live import PolicyOption, events_shown, tell_connections
from rtseg.cli.network import (
    ClassesOption,
    EngineOption,
    MeanOption,
    ModelOption,
    SizeOption,
    StateOption,
    StdOption,
    ThreadsOption,
    described,
    load,
)
from rtseg.cli.record import RecordOption, recording, session_for, tell_recorded
from rtseg.cli.tables import latency_table
from rtseg.cli.watch import RepeatOption, ViewAtOption, ViewOption, WindowOption, played, watching
from rtseg.errors import SourceError
from rtseg.overlay import Overlay
from rtseg.pipeline import Pipeline
from rtseg.sector import Guard
from rtseg.sinks.base import Sink
from rtseg.sinks.igtl import IgtlSink
from rtseg.sinks.jsonl import JsonSink
from rtseg.sinks.masks import MaskSink
from rtseg.sinks.video import VideoSink
from rtseg.sinks.watchdog import watchdogs
from rtseg.sources import Source, open_source
from rtseg.sources.address import shown
from rtseg.sources.open import KNOWN
from rtseg.speckle import FILTERS, SpeckleFilter
from rtseg.temporal import STEADY, TemporalOptions

SOURCES = f"{KNOWN[0].upper()}{KNOWN[1:]}"


@app.command()
def run(
    source: Annotated[str, typer.Argument(help=SOURCES)],
    model: ModelOption = "carotid",
    engine: EngineOption = "openvino",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the overlay as a video: .mp4, .mkv, .mov.")] = None,
    masks: Annotated[Path | None, typer.Option("--masks", help="Write a label map a frame into this folder.")] = None,
    mask_format: Annotated[str, typer.Option("--mask-format", help="png, or npz with the confidences.")] = "png",
    json: Annotated[Path | None, typer.Option("--json", help="Write measurements and states, a JSON line a frame.")] = None,
    fps: Annotated[
        float | None, typer.Option("--fps", min=0.1, help="The source's rate, where it is wrong or unknown.")
    ] = None,
    spacing: Annotated[float | None, typer.Option("--spacing", min=1e-6, help="Millimetres a pixel of the source.")] = None,
    opacity: Annotated[float, typer.Option("--opacity", min=0, max=1, help="Of the overlay's fill.")] = 0.4,
    warmup: Annotated[int, typer.Option("--warmup", min=0, help="First frames that do not count in the table.")] = 10,
    sector: Annotated[
        str, typer.Option("--sector", help="The ultrasound on the screen: auto, off or TOP,LEFT,HEIGHT,WIDTH.")
    ] = "auto",
    keep_surroundings: Annotated[
        bool, typer.Option("--keep-surroundings", help="Record what stands around the sector too: names and dates!")
    ] = False,
    steady: Annotated[
        bool, typer.Option("--steady/--no-steady", help="Steady the masks in time: the three options below, as measured best.")
    ] = True,
    smoothing: Annotated[
        float | None, typer.Option("--smoothing", help="The past's share in a still picture, 0 to 0.95.")
    ] = None,
    hysteresis: Annotated[
        float | None, typer.Option("--hysteresis", help="Logits by which a pixel keeps its class, such as 1.")
    ] = None,
    flow: Annotated[
        bool | None, typer.Option("--flow/--no-flow", help="Carry the past along the motion before it counts.")
    ] = None,
    every: Annotated[int, typer.Option("--every", help="Run the model on each n-th frame, carry the mask between.")] = 1,
    record: RecordOption = None,
    policy: PolicyOption = None,
    speckle: Annotated[
        str, typer.Option("--speckle", help=f"A filter before the model, NAME[:STRENGTH]: {', '.join(FILTERS)}.")
    ] = "",
    uncertainty: Annotated[
        bool, typer.Option("--uncertainty", help="Draw a contour the wider, the less sure the border is.")
    ] = False,
    view: ViewOption = False,
    view_at: ViewAtOption = "127.0.0.1:8000",
    window: WindowOption = False,
    repeat: RepeatOption = False,
    igtl: IgtlOption = "",
    igtl_send: IgtlSendOption = USUAL_PARTS,
    budget: BudgetOption = "",
    threads: ThreadsOption = 0,
    size: SizeOption = "",
    classes: ClassesOption = "",
    mean: MeanOption = "",
    std: StdOption = "",
    state: StateOption = None,
) -> None:
    """Segment SOURCE and write the overlay, the masks and the measurements."""
    temporal = _steadied(steady, smoothing, hysteresis, flow, every)
    speckle_filter = SpeckleFilter.parsed(speckle) if speckle else None
    network = load(model, engine, threads, described(model, size, classes, mean, std, state))
    network = saving(network, budget, model, threads)
    with closing(network):
        sinks = _sinks(out, masks, mask_format, json, opacity, network.spec.name)
        spacing_mm = (spacing, spacing) if spacing else None
        named = open_source(source, fps=fps, spacing_mm=spacing_mm)
        opened = played(source, named, repeat, watched=bool(view or window or igtl) and not sinks)
        sinks += watching(view, view_at, window, opacity)
        sinks += serving(igtl, igtl_send, opacity)
        sinks += watchdogs()
        session = session_for(
            named,
            network,
            sector,
            covered=bool(record) and not keep_surroundings,
            temporal=temporal,
            speckle=speckle_filter,
            spacing_mm=opened.info.spacing_mm,
        )
        sinks += recording(record, session, network.spec.name, keep_surroundings)
        session.uncertainty = uncertainty
        sinks += keeping(budget, session, network)
        pipeline = Pipeline(opened, session, *sinks, warmup=warmup, keep_surroundings=keep_surroundings, policy=policy)
        _run(pipeline, title=f"{shown(source)} through {network.spec.name}")
    _where_to_look(out, masks, json, record)


def _steadied(
    steady: bool, smoothing: float | None, hysteresis: float | None, flow: bool | None, every: int
) -> TemporalOptions | None:
    """What was asked for; None where that is nothing, and the network's answers are taken as they are."""
    usual = STEADY if steady else TemporalOptions()
    options = TemporalOptions(
        usual.smoothing if smoothing is None else smoothing,
        usual.hysteresis if hysteresis is None else hysteresis,
        usual.flow if flow is None else flow,
        every,
    )
    return None if options == TemporalOptions() else options


def _run(pipeline: Pipeline, title: str) -> None:
    """Run to the end; the table is shown even when the source breaks on the way."""
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


def _sinks(out: Path | None, masks: Path | None, mask_format: str, json: Path | None, opacity: float, name: str) -> list[Sink]:
    overlay = Overlay(opacity=opacity)
    video: list[Sink] = [VideoSink(out, overlay)] if out else []
    folder: list[Sink] = [MaskSink(masks, mask_format)] if masks else []
    lines: list[Sink] = [JsonSink(json, name)] if json else []
    return video + folder + lines


@contextmanager
def _progress(source: Source) -> Iterator["Advance"]:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        yield Advance(progress, source.info.frames)


class Advance:
    """Moves a progress bar on by one."""

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
            f"{guard.exposed} frames went out with all that stands on the screen, since no sector was found in them: "
            f"name it with --sector TOP,LEFT,HEIGHT,WIDTH",
            style="yellow",
        )


def _where_to_look(*paths: Path | None) -> None:
    for path in paths:
        if path:
            console.print(f"wrote {path}", highlight=False)
