"""`rtseg bench`: how fast, and how steadily so; each mode is a subcommand, and `run` is meant where none is named."""

from contextlib import closing, nullcontext
from pathlib import Path
from typing import Annotated

import typer

from rtseg.bench.engines import Turns
from rtseg.bench.line import LEAST_FRAMES, LEAST_S, TOLERANCE, Plan
from rtseg.bench.temporal.report import QUIET_FRAMES
from rtseg.cli.app import app
from rtseg.cli.bench.engines import compare_engines
from rtseg.cli.bench.frontier import draw_frontier
from rtseg.cli.bench.kernels import judge_filters, time_kernels
from rtseg.cli.bench.line import compare_reports, measure_line, show, time_loop, write
from rtseg.cli.bench.modes import Modes
from rtseg.cli.bench.temporal import temporal as measure_temporal
from rtseg.cli.options.model import EngineOption, JsonOption, ModelOption, ThreadsOption, load
from rtseg.cli.options.outputs import PRIVATE, ModeOption, prepare
from rtseg.output.private_file import held_folder
from rtseg.session.stabilizer import STEADY

QUICK_FRAMES = 200

HELP = """Measure SOURCE through a model (run, which is meant where no mode is named), or one part of rtseg.

A mode may be spelt as a flag: --engines, --kernels, --speckle, --temporal, --compare, --loop."""

bench = typer.Typer(cls=Modes, help=HELP)
app.add_typer(bench, name="bench")


@bench.command()
def run(
    source: Annotated[
        str, typer.Argument(help="A video file, clip:NAME or synthetic:; played again until enough.")
    ] = "clip:carotid",
    model: ModelOption = "carotid",
    engine: EngineOption = "openvino",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="A folder for report.json, .md and .html.")] = None,
    json: JsonOption = None,
    frames: Annotated[
        int | None, typer.Option("--frames", min=10, help=f"Of each run; else {LEAST_FRAMES} and {LEAST_S:g} s at the least.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help=f"{QUICK_FRAMES} frames a run; the report says so.")] = False,
    warmup: Annotated[int, typer.Option("--warmup", min=0, help="First frames of each run that do not count.")] = 30,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Turns of the engine alone and the whole line.")] = 5,
    fps: Annotated[
        float | None, typer.Option("--fps", min=0.1, help="The pace of the paced run; else the source's own.")
    ] = None,
    minutes: Annotated[
        float, typer.Option("--minutes", min=0, help="A sustained run as well, with power and temperature.")
    ] = 0.0,
    data: Annotated[Path | None, typer.Option("--data", help="images/ and masks/: their Dice and HD95 as well.")] = None,
    steady: Annotated[bool, typer.Option("--steady/--no-steady", help="Masks steadied in time, as `rtseg run` has it.")] = True,
    mode: ModeOption = PRIVATE,
    threads: ThreadsOption = 0,
) -> None:
    """Measure SOURCE through a model: as fast as possible, beside the engine alone, and at its own pace."""
    prepare(mode, json)
    wanted = frames or (QUICK_FRAMES if quick else LEAST_FRAMES)
    seconds = 0.0 if frames or quick else LEAST_S
    plan = Plan(wanted, seconds, warmup, rounds, fps, minutes, cold=not frames)
    with held_folder(out) if out else nullcontext():
        result = measure_line(source, model, engine, threads, plan, data, STEADY if steady else None)
        show(result)
        write(result, out, json)


@bench.command()
def compare(
    first: Annotated[Path, typer.Argument(help="A report.json.")],
    second: Annotated[Path, typer.Argument(help="Another, which may not be slower.")],
    across: Annotated[
        list[str] | None, typer.Option("--across", help="What may differ, such as engine or model; again for another.")
    ] = None,
    tolerance: Annotated[float, typer.Option("--tolerance", min=0, help="A share that is no change.")] = TOLERANCE,
) -> None:
    """Whether the SECOND report is slower than the FIRST, stage by stage: then the exit status is 3."""
    compare_reports(first, second, across or (), tolerance)


@bench.command()
def loop(
    source: Annotated[str, typer.Argument(help="What the stamp is written on; played again until enough.")] = "clip:carotid",
    model: ModelOption = "carotid",
    engine: EngineOption = "openvino",
    frames: Annotated[int, typer.Option("--frames", min=10, help="Without the warm-up.")] = 500,
    delay: Annotated[float, typer.Option("--delay", min=0, help="Milliseconds to plant in the loop, to be found again.")] = 0.0,
    json: JsonOption = None,
    mode: ModeOption = PRIVATE,
    threads: ThreadsOption = 0,
) -> None:
    """Glass to glass, in software: a time stamp through coder, decoder and line, read from the overlay's own pixels."""
    prepare(mode, json)
    time_loop(source, model, engine, threads, frames, delay, json)


@bench.command()
def engines(
    model: ModelOption = "carotid",
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Turns of each engine.")] = 5,
    peer: Annotated[Path | None, typer.Option("--peer", help="Somebody else's TorchScript network.")] = None,
    peer_size: Annotated[str, typer.Option("--peer-size", help="HxW of the peer's input.")] = "",
    json: JsonOption = None,
    mode: ModeOption = PRIVATE,
    threads: ThreadsOption = 0,
) -> None:
    """The bare model on each engine that is here, FP32 and INT8, and a peer, in turns."""
    prepare(mode, json)
    compare_engines(model, peer, peer_size, Turns(rounds), threads, json)


@bench.command()
def kernels(
    quick: Annotated[bool, typer.Option("--quick", help="Small pictures alone.")] = False,
    json: JsonOption = None,
    mode: ModeOption = PRIVATE,
) -> None:
    """The kernels beside other ways to the same."""
    prepare(mode, json)
    time_kernels(quick, json)


@bench.command()
def speckle(
    model: ModelOption = "carotid",
    engine: EngineOption = "openvino",
    data: Annotated[Path | None, typer.Option("--data", help="images/ and masks/ of scans.")] = None,
    subjects: Annotated[str, typer.Option("--subjects", help="Of these alone, as in scan03,scan06.")] = "",
    json: JsonOption = None,
    mode: ModeOption = PRIVATE,
    threads: ThreadsOption = 0,
) -> None:
    """The speckle filters' quality and, with --data, the Dice behind them."""
    prepare(mode, json)
    with closing(load(model, engine, threads)) as network:
        judge_filters(network, data, subjects, json)


@bench.command()
def temporal(
    source: Annotated[str, typer.Argument(help="Recordings, comma between them; they have no truth.")] = "clip:carotid",
    model: ModelOption = "carotid",
    engine: EngineOption = "openvino",
    data: Annotated[Path | None, typer.Option("--data", help="images/ and masks/ of scans, to be set in motion.")] = None,
    subjects: Annotated[str, typer.Option("--subjects", help="Of these alone, as in scan03,scan06.")] = "",
    frames: Annotated[int, typer.Option("--frames", min=10, help="Of each clip with truth.")] = 100,
    quiet_frames: Annotated[
        int, typer.Option("--quiet-frames", min=10, help="Of the recordings, played again and again, to count false resets.")
    ] = QUIET_FRAMES,
    json: JsonOption = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="Draw the steadiness, into a PNG.")] = None,
    mode: ModeOption = PRIVATE,
    threads: ThreadsOption = 0,
) -> None:
    """The memory's life and the masks' steadiness."""
    prepare(mode, json, plot)
    with closing(load(model, engine, threads)) as network:
        measure_temporal(network, source.split(","), data, subjects, frames, json, plot, quiet_frames)


@bench.command()
def frontier(
    reports: Annotated[list[Path], typer.Argument(help="JSON reports of `rtseg bench --engines` and of `rtseg eval`.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The PNG to draw.")] = Path("frontier.png"),
    mode: ModeOption = PRIVATE,
) -> None:
    """Dice against latency, from reports that were measured before."""
    prepare(mode, out)
    draw_frontier(reports, out)
