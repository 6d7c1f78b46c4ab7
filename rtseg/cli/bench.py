"""`rtseg bench`: how fast, and how steadily so."""

import json as jsonlib
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from rtseg.bench import CLOCK, Plan
from rtseg.bench import bench as measure
from rtseg.cli.app import app, console
from rtseg.cli.engines import compare_engines
from rtseg.cli.kernels import judge_filters, time_kernels
from rtseg.cli.network import EngineOption, ModelOption, ThreadsOption, load
from rtseg.cli.tables import latency_table
from rtseg.cli.temporal import temporal as measure_temporal
from rtseg.engine_bench import Turns

TEMPORAL_FRAMES = 100  # of a clip with truth: four seconds show what flickers


@app.command()
def bench(
    source: Annotated[
        str, typer.Argument(help="A video file, clip:NAME or synthetic:; played again until enough.")
    ] = "clip:carotid",
    model: ModelOption = "carotid",
    engine: EngineOption = "openvino",
    frames: Annotated[int, typer.Option("--frames", min=10, help="Of each run, without the warm-up.")] = 600,
    warmup: Annotated[int, typer.Option("--warmup", min=0, help="First frames of each run that do not count.")] = 30,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Turns of the engine alone and the whole line.")] = 5,
    fps: Annotated[
        float | None, typer.Option("--fps", min=0.1, help="The pace of the paced run; else the source's own.")
    ] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write the report.")] = None,
    threads: ThreadsOption = 0,
    engines: Annotated[
        bool, typer.Option("--engines", help="Instead, the bare model on each engine, FP32 and INT8, in turns.")
    ] = False,
    peer: Annotated[Path | None, typer.Option("--peer", help="With --engines: somebody else's TorchScript network.")] = None,
    peer_size: Annotated[str, typer.Option("--peer-size", help="HxW of the peer's input.")] = "",
    temporal: Annotated[
        bool, typer.Option("--temporal", help="Instead, the memory's life and the masks' steadiness; SOURCE has no truth.")
    ] = False,
    data: Annotated[
        Path | None, typer.Option("--data", help="With --temporal or --speckle: images/ and masks/ of scans.")
    ] = None,
    subjects: Annotated[str, typer.Option("--subjects", help="With --data: these alone, as in scan03,scan06.")] = "",
    kernels: Annotated[bool, typer.Option("--kernels", help="Instead, the kernels beside other ways to the same.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="With --kernels: small pictures alone.")] = False,
    speckle: Annotated[
        bool, typer.Option("--speckle", help="Instead, the speckle filters' quality and, with --data, the Dice behind them.")
    ] = False,
) -> None:
    """Measure SOURCE through a model: as fast as possible, beside the engine alone, and at its own pace."""
    if engines:
        compare_engines(model, peer, peer_size, Turns(rounds), threads, json)
        return
    if kernels:
        time_kernels(quick, json)
        return
    if speckle:
        with closing(load(model, engine, threads)) as network:
            judge_filters(network, data, subjects, json)
        return
    if temporal:
        with closing(load(model, engine, threads)) as network:
            measure_temporal(network, source.split(","), data, subjects, min(frames, TEMPORAL_FRAMES), json)
        return
    with closing(load(model, engine, threads)) as network, console.status("measuring") as status:
        report = measure(source, network, Plan(frames, warmup, rounds, fps), status.update)
    if report.fast and report.paced:
        console.print(latency_table(report.fast, "as fast as possible"), latency_table(report.paced, "paced"), sep="\n")
    console.print(f"the whole line runs at {report.ratio:.2f} of the engine alone; inside the clock: {CLOCK}", highlight=False)
    if json:
        json.write_text(jsonlib.dumps(report.to_json(), indent=2) + "\n", encoding="utf-8")
        console.print(f"wrote {json}", highlight=False)
