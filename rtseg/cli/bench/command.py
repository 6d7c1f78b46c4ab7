"""`rtseg bench`: measures speed and its variation; each mode is a subcommand, and `run` is the default."""

from contextlib import closing, nullcontext
from pathlib import Path
from typing import Annotated

import typer

from rtseg.bench.engines import InterleavedRounds
from rtseg.bench.line import MIN_FRAMES, MIN_SECONDS, TOLERANCE, BenchPlan
from rtseg.bench.temporal.report import QUIET_FRAMES
from rtseg.cli.app import app
from rtseg.cli.bench.engines import compare_engines
from rtseg.cli.bench.frontier import draw_frontier
from rtseg.cli.bench.kernels import measure_filters, time_kernels
from rtseg.cli.bench.line import compare_reports, measure_pipeline, print_bench, time_glass_to_glass, write_bench
from rtseg.cli.bench.measures import measures
from rtseg.cli.bench.modes import BenchModeGroup
from rtseg.cli.bench.redaction import measure_redaction
from rtseg.cli.bench.sector import measure_sectors
from rtseg.cli.bench.streams import streams
from rtseg.cli.bench.temporal import temporal as measure_temporal
from rtseg.cli.bench.track import track
from rtseg.cli.options.model import EngineOption, JsonOption, ModelOption, ThreadsOption, load
from rtseg.cli.options.outputs import PRIVATE, ModeOption, prepare_outputs
from rtseg.output.private_file import locked_folder
from rtseg.session.stabilizer import DEFAULT_TEMPORAL

QUICK_FRAMES = 200

HELP = """Measure the speed of a model on SOURCE (mode `run`, the default), or one part of rtseg.

A mode may be written as a flag: --engines, --kernels, --speckle, --temporal, --compare, --loop."""

bench = typer.Typer(cls=BenchModeGroup, help=HELP)
app.add_typer(bench, name="bench")


@bench.command()
def run(
    source: Annotated[
        str, typer.Argument(help="A video file, clip:NAME or synthetic:, which is repeated until there are enough frames.")
    ] = "clip:carotid",
    model: ModelOption = "carotid",
    engine: EngineOption = "openvino",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write report.json, report.md and report.html to this folder.")
    ] = None,
    json: JsonOption = None,
    frames: Annotated[
        int | None,
        typer.Option(
            "--frames", min=10, help=f"The frames of each run; by default {MIN_FRAMES} frames and {MIN_SECONDS:g} s at least."
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help=f"Measure only {QUICK_FRAMES} frames in each run; the report says so.")
    ] = False,
    warmup: Annotated[
        int, typer.Option("--warmup", min=0, help="The number of first frames of each run that do not count.")
    ] = 30,
    rounds: Annotated[
        int, typer.Option("--rounds", min=1, help="The number of turns of the engine alone and the whole pipeline.")
    ] = 5,
    fps: Annotated[
        float | None, typer.Option("--fps", min=0.1, help="The frame rate of the paced run; by default that of the source.")
    ] = None,
    minutes: Annotated[
        float, typer.Option("--minutes", min=0, help="Add a sustained run of this many minutes, with power and temperature.")
    ] = 0.0,
    data: Annotated[
        Path | None, typer.Option("--data", help="Measure Dice and HD95 on this folder with images/ and masks/ too.")
    ] = None,
    steady: Annotated[
        bool, typer.Option("--steady/--no-steady", help="Stabilize the masks in time, as `rtseg run` does.")
    ] = True,
    mode: ModeOption = PRIVATE,
    threads: ThreadsOption = 0,
) -> None:
    """Measure a model on SOURCE: as fast as possible, against the engine alone, and at the frame rate of the source."""
    prepare_outputs(mode, json)
    wanted = frames or (QUICK_FRAMES if quick else MIN_FRAMES)
    seconds = 0.0 if frames or quick else MIN_SECONDS
    plan = BenchPlan(wanted, seconds, warmup, rounds, fps, minutes, cold=not frames)
    with locked_folder(out) if out else nullcontext():
        result = measure_pipeline(source, model, engine, threads, plan, data, DEFAULT_TEMPORAL if steady else None)
        print_bench(result)
        write_bench(result, out, json)


@bench.command()
def compare(
    first: Annotated[Path, typer.Argument(help="The report.json to compare with.")],
    second: Annotated[Path, typer.Argument(help="The report.json that may not be slower.")],
    across: Annotated[
        list[str] | None,
        typer.Option("--across", help="A property that may differ, such as engine or model; give the option once for each."),
    ] = None,
    tolerance: Annotated[
        float, typer.Option("--tolerance", min=0, help="The relative change that still counts as equal.")
    ] = TOLERANCE,
) -> None:
    """Compare two reports stage by stage; the exit status is 3 if the SECOND is slower than the FIRST."""
    compare_reports(first, second, across or (), tolerance)


@bench.command()
def loop(
    source: Annotated[
        str, typer.Argument(help="The source on which time stamps are drawn, repeated until there are enough frames.")
    ] = "clip:carotid",
    model: ModelOption = "carotid",
    engine: EngineOption = "openvino",
    frames: Annotated[int, typer.Option("--frames", min=10, help="The number of frames without the warm-up.")] = 500,
    delay: Annotated[
        float, typer.Option("--delay", min=0, help="Milliseconds of delay to add to the loop, to check that they are measured.")
    ] = 0.0,
    json: JsonOption = None,
    mode: ModeOption = PRIVATE,
    threads: ThreadsOption = 0,
) -> None:
    """Measure glass-to-glass latency in software: a time stamp passes the coder, decoder and pipeline to the overlay."""
    prepare_outputs(mode, json)
    time_glass_to_glass(source, model, engine, threads, frames, delay, json)


@bench.command()
def engines(
    model: ModelOption = "carotid",
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="The number of turns of each engine.")] = 5,
    peer: Annotated[
        Path | None, typer.Option("--peer", help="The TorchScript network of another project to compare with.")
    ] = None,
    peer_size: Annotated[str, typer.Option("--peer-size", help="The input size HxW of the network of --peer.")] = "",
    json: JsonOption = None,
    mode: ModeOption = PRIVATE,
    threads: ThreadsOption = 0,
) -> None:
    """Time the model without the pipeline on each installed engine, in FP32 and INT8, and a baseline network, in turns."""
    prepare_outputs(mode, json)
    compare_engines(model, peer, peer_size, InterleavedRounds(rounds), threads, json)


@bench.command()
def kernels(
    quick: Annotated[bool, typer.Option("--quick", help="Measure on small pictures only.")] = False,
    json: JsonOption = None,
    mode: ModeOption = PRIVATE,
) -> None:
    """Time the kernels against other implementations."""
    prepare_outputs(mode, json)
    time_kernels(quick, json)


@bench.command()
def speckle(
    model: ModelOption = "carotid",
    engine: EngineOption = "openvino",
    data: Annotated[Path | None, typer.Option("--data", help="A folder with images/ and masks/ of scans.")] = None,
    subjects: Annotated[str, typer.Option("--subjects", help="Use only these subjects, as in scan03,scan06.")] = "",
    json: JsonOption = None,
    mode: ModeOption = PRIVATE,
    threads: ThreadsOption = 0,
) -> None:
    """Measure the quality of the speckle filters and, with --data, the Dice after each of them."""
    prepare_outputs(mode, json)
    with closing(load(model, engine, threads)) as network:
        measure_filters(network, data, subjects, json)


@bench.command()
def temporal(
    source: Annotated[str, typer.Argument(help="Recordings without annotations, separated by commas.")] = "clip:carotid",
    model: ModelOption = "carotid",
    engine: EngineOption = "openvino",
    data: Annotated[
        Path | None, typer.Option("--data", help="A folder with images/ and masks/ of scans, whose stills are moved.")
    ] = None,
    subjects: Annotated[str, typer.Option("--subjects", help="Use only these subjects, as in scan03,scan06.")] = "",
    frames: Annotated[int, typer.Option("--frames", min=10, help="The number of frames of each clip with exact truth.")] = 100,
    quiet_frames: Annotated[
        int,
        typer.Option(
            "--quiet-frames", min=10, help="The number of frames of the repeated recordings in which false resets are counted."
        ),
    ] = QUIET_FRAMES,
    json: JsonOption = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="Plot how stable the masks are to this PNG.")] = None,
    mode: ModeOption = PRIVATE,
    threads: ThreadsOption = 0,
) -> None:
    """Measure the resets of the recurrent state, and how stable the masks are in time."""
    prepare_outputs(mode, json, plot)
    with closing(load(model, engine, threads)) as network:
        measure_temporal(network, source.split(","), data, subjects, frames, json, plot, quiet_frames)


@bench.command()
def redaction(
    folder: Annotated[
        Path, typer.Argument(help="A folder of clips with their truth, as python -m rtseg.sources.synthetic.screens writes it.")
    ],
    clip: Annotated[
        list[str] | None, typer.Option("--clip", help="A clip without a truth; give the option once for each clip.")
    ] = None,
    json: JsonOption = None,
    mode: ModeOption = PRIVATE,
) -> None:
    """Measure what Tesseract, which must be installed, reads in redacted clips, and what of the ultrasound is lost."""
    prepare_outputs(mode, json)
    measure_redaction(folder, clip or (), json)


@bench.command()
def frontier(
    reports: Annotated[list[Path], typer.Argument(help="The JSON reports of `rtseg bench --engines` and `rtseg eval`.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Write the plot to this PNG.")] = Path("frontier.png"),
    mode: ModeOption = PRIVATE,
) -> None:
    """Plot Dice against latency from existing reports."""
    prepare_outputs(mode, out)
    draw_frontier(reports, out)


@bench.command()
def sector(
    folder: Annotated[
        Path, typer.Argument(help="A folder of clips with their truth, as python -m rtseg.sources.synthetic.screens writes it.")
    ],
    json: JsonOption = None,
    mode: ModeOption = PRIVATE,
) -> None:
    """Measure how well the sector is found and its surroundings are hidden, on clips whose truth is known."""
    prepare_outputs(mode, json)
    measure_sectors(folder, json)


bench.command()(track)
bench.command()(measures)
bench.command()(streams)
