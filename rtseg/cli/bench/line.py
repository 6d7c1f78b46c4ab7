"""`rtseg bench run`, `compare` and `loop`: run the benchmarks, and print and write the results."""

from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import typer
from rich.table import Table

from rtseg.bench.line import (
    CLOCK,
    FAST,
    MIN_FRAMES,
    MIN_SECONDS,
    SUSTAINED,
    BenchPlan,
    BenchReport,
    BenchTarget,
    Verdict,
    as_json,
    read_report,
    write_report,
)
from rtseg.bench.line import bench_pipeline as measure
from rtseg.bench.line import compare_accuracy as measure_accuracy
from rtseg.bench.line import compare_stages as judge
from rtseg.bench.line.glass_to_glass import StampedSource, measure_glass_to_glass
from rtseg.bench.line.target import model_file
from rtseg.cli.app import console
from rtseg.cli.options.model import load
from rtseg.cli.tables import latency_table
from rtseg.cli.threads import limit_threads
from rtseg.engines.base import Engine
from rtseg.exit_codes import EXIT_SLOWER
from rtseg.output.atomic_file import write_atomically
from rtseg.session.session import Session
from rtseg.session.stabilizer import TemporalOptions
from rtseg.sources.playback import LoopingSource, PacedSource
from rtseg.system.machine import describe_machine
from rtseg.system.power import find_meters
from rtseg.text.credentials import masked_address
from rtseg.wall_clock import utc_now

INT8 = "-int8"
WARMUP_FRAMES = 30  # frames that are not counted
TITLES = {FAST: "as fast as possible", SUSTAINED: "sustained"}


def measure_pipeline(
    source: str, model: str, engine: str, threads: int, plan: BenchPlan, data: Path | None, temporal: TemporalOptions | None
) -> BenchReport:
    """Run the benchmarks of the plan; measure accuracy too, unless the plan is quick and there is no data."""
    limit_threads()
    meters, absent = find_meters() if plan.minutes else ([], {})
    with ExitStack() as stack, console.status("measuring") as status:
        for meter in meters:
            stack.enter_context(closing(meter))
        network = stack.enter_context(closing(load(model, engine, threads)))
        result = measure(BenchTarget(source, model, engine, network, threads, temporal), plan, status.update, meters)
        if absent:
            result.extras["meters_absent"] = absent
        if data or not plan.quick:
            whole = _fp32_engine(model, engine, threads)
            if whole:
                stack.enter_context(closing(whole))
            result.extras["accuracy"] = measure_accuracy(source, network, whole, data, status.update, temporal)
    return result


def print_bench(result: BenchReport) -> None:
    """Print the tables of all runs, with the ratio to the engine alone and the limits of quick runs."""
    for name, run in result.runs.items():
        console.print(latency_table(run.report, TITLES.get(name, name)))
    console.print(
        f"the whole pipeline runs at {result.ratio:.2f} of the rate of the engine alone; timed: {CLOCK}", highlight=False
    )
    if result.about["quick"]:
        least = f"{MIN_FRAMES} frames and {MIN_SECONDS:g} s"
        console.print(f"quick: fewer than the {least} in each run of a report to cite", style="yellow", highlight=False)


def write_bench(result: BenchReport, out: Path | None, json: Path | None) -> None:
    """Write the report as JSON, Markdown and HTML to the folder `out`, and its JSON alone to the file `json`."""
    report = result.to_json()
    if json:
        write_atomically(json, as_json(report).encode())
    for path in (*(write_report(report, out) if out else ()), *([json] if json else [])):
        console.print(f"wrote {path}", highlight=False)


def compare_reports(first: Path, second: Path, across: Sequence[str], tolerance: float) -> None:
    """Print the verdicts; exit with status 3 if the second report is slower in any stage."""
    found = judge(read_report(first), read_report(second), across=across, tolerance=tolerance)
    console.print(_verdict_table(found, tolerance))
    slower = [verdict for verdict in found if verdict.verdict == "slower"]
    if slower:
        names = ", ".join(f"{one.stage} p{one.percent:g} ({one.run})" for one in slower)
        console.print(f"slower: {names}", style="red", highlight=False)
        raise typer.Exit(EXIT_SLOWER)


def time_glass_to_glass(
    source: str, model: str, engine: str, threads: int, frames: int, delay_ms: float, json: Path | None
) -> None:
    """Measure glass-to-glass latency in software, print the results and write them to `json`."""
    limit_threads()
    began_at = utc_now()
    with closing(load(model, engine, threads)) as network, console.status("glass to glass"):
        looped = StampedSource(PacedSource(LoopingSource(source, frames + WARMUP_FRAMES)), delay_ms)
        figures = measure_glass_to_glass(looped, Session(network), WARMUP_FRAMES)
    whole, line = figures["glass_to_glass_ms"], figures["line_ms"]
    console.print(
        f"glass to glass: p50 {whole['p50']:.1f} ms, p99 {whole['p99']:.1f} ms, pipeline p50 {line['p50']:.1f} ms; "
        f"{figures['frames']} frames, {figures['dropped']} dropped, {figures['unread']} stamps unread; {delay_ms:g} ms planted",
        highlight=False,
    )
    if json:
        about = {
            "source": masked_address(source),
            "model": network.spec.name,
            "planted_delay_ms": delay_ms,
            "began_at": began_at,
            "machine": describe_machine(),
        }
        write_atomically(json, as_json(about | figures).encode())
        console.print(f"wrote {json}", highlight=False)


def _fp32_engine(model: str, engine: str, threads: int) -> Engine | None:
    """Load the FP32 model beside an INT8 file; None if the model is not INT8 or there is no such file."""
    path = model_file(model)
    whole = path.with_name(path.stem.removesuffix(INT8) + path.suffix)
    return load(str(whole), engine, threads) if path.stem.endswith(INT8) and whole.exists() else None


def _verdict_table(found: Sequence[Verdict], tolerance: float) -> Table:
    caption = (
        f"the second report's time over the first's, with a 95 % interval (moving-block bootstrap); tolerance {tolerance:g}"
    )
    table = Table(title="compared", caption=caption, title_justify="left", caption_justify="left")
    for name in ("run", "stage", "percentile", "ratio", "interval", "verdict"):
        table.add_column(name, justify="right" if name in ("ratio", "interval") else "left")
    for one in found:
        interval = f"{one.low:.3f} to {one.high:.3f}"
        table.add_row(one.run, one.stage, f"p{one.percent:g}", f"{one.ratio:.3f}", interval, one.verdict)
    return table
