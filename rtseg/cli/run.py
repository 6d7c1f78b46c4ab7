"""`rtseg run`: segments a source, or several, and writes or shows the results."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from rtseg.cli.app import app, console
from rtseg.cli.assembly import StreamModel, assemble, is_left_out, print_outputs, print_warnings
from rtseg.cli.options.budget import shrinkable_engine
from rtseg.cli.options.config_tables import config_tables
from rtseg.cli.options.grouped import grouped
from rtseg.cli.options.limits import StreamLimit
from rtseg.cli.options.logs import LogOptions
from rtseg.cli.options.model import EngineOption, OnnxModelDescription, ThreadsOption, load
from rtseg.cli.options.omissions import check_strict
from rtseg.cli.options.outputs import PRIVATE, ModeOption, prepare_outputs
from rtseg.cli.options.prompts import PromptedModelOption, check_all_used, chosen_model
from rtseg.cli.options.stream import StreamOptions
from rtseg.cli.run_streams import run_streams
from rtseg.cli.stream_plan import plan_streams
from rtseg.cli.tables import latency_table
from rtseg.cli.threads import limit_threads
from rtseg.engines.engine_use import closing_engine
from rtseg.errors import SourceError
from rtseg.exit_codes import EXIT_LEFT_OUT
from rtseg.pipeline import Pipeline
from rtseg.sources import Source
from rtseg.sources.address import masked_address
from rtseg.sources.open import KNOWN_SOURCES

SOURCES = f"The source, or several that run side by side (docs/streams.md): {KNOWN_SOURCES}."


@app.command()
@grouped
def run(
    *,
    source: Annotated[list[str], typer.Argument(help=SOURCES)],
    model: PromptedModelOption = None,
    engine: EngineOption = "auto",
    options: StreamOptions,
    mode: ModeOption = PRIVATE,
    threads: ThreadsOption = 0,
    logs: LogOptions,
    description: OnnxModelDescription,
) -> None:
    """Segment SOURCE, and write the overlay, the masks and the measurements.

    Several sources run side by side, each with its own outputs in the folders of --out, --json and others; so do several
    --model on one source. The exit status is 0; 3 where a file of a folder, a part of a series or a stream was left out, or a
    plug-in's output ends early; 1 for an error, also of one stream.
    """
    prepare_outputs(mode)
    limit_threads()
    options.check()
    tables = config_tables(source)
    with logs.printed():
        if len(source) > 1 or len(model or ()) > 1 or tables:
            run_streams(plan_streams(source, model, engine, options, description, tables), threads)
        else:
            _run_alone(source[0], (model or [""])[0], engine, options, description, threads)


def _run_alone(
    source: str, model: str, engine: str, options: StreamOptions, description: OnnxModelDescription, threads: int
) -> None:
    """Run the only stream of the process, with a progress bar and a table of its stages."""
    model, trusted = chosen_model(model, options.prompts.parse()), description.trust_model
    network = load(model, engine, threads, description.facts_for(model), trusted=trusted)
    network = shrinkable_engine(network, options.budget, model, threads, trusted=trusted)
    with closing_engine(network):
        pipeline = assemble(source, StreamModel(model, network, options))
        title = f"{masked_address(source)} through {network.spec.name}"
        _run_pipeline(pipeline, title, StreamLimit(options.limits, pipeline.source), strict=options.strict)
    print_outputs(options, pipeline.sinks)
    check_all_used(pipeline.session)
    if is_left_out(pipeline):
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
        print_warnings(pipeline)
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
