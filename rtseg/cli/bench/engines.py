"""`rtseg bench --engines`: times one model on every installed engine, in FP32 and INT8, against a baseline network."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TypeAlias

from rich.table import Table

from rtseg.bench.engines import BenchEntry, EngineBench, InterleavedRounds, benchmark_engines
from rtseg.cli.app import console
from rtseg.cli.options.model import parse_size
from rtseg.engines.base import Engine, ModelSpec
from rtseg.engines.load import ENGINES, load_engine, model_path
from rtseg.engines.profile import profile_network
from rtseg.errors import MissingExtra
from rtseg.output.atomic_file import write_atomically
from rtseg.system.machine import available_cores
from rtseg.text.safe_text import json_text

BaselineNetwork: TypeAlias = tuple[Path, ModelSpec]  # the TorchScript file of another project's network, and its input


def compare_engines(
    model: str, peer: Path | None, peer_size: str, turns: InterleavedRounds, threads: int, json: Path | None
) -> None:
    """Time MODEL, its INT8 form and its form in torch if they lie beside it, and a baseline; print and write the results."""
    threads = threads or available_cores()
    baseline = (peer, _baseline_spec(peer, peer_size)) if peer else None
    with ExitStack() as stack, console.status("measuring") as status:
        contestants = list(_bench_entries(model_path(model), baseline, threads))
        for entry in contestants:
            stack.enter_context(closing(entry.engine))
        result = benchmark_engines(contestants, turns, threads, status.update)
    console.print(_engine_table(result))
    if json:
        write_atomically(json, (json_text(result.to_json(), indent=2) + "\n").encode())
        console.print(f"wrote {json}", highlight=False)


def _baseline_spec(peer: Path, size: str) -> ModelSpec:
    """Return a spec of the baseline with its input size; the other values do not affect its time."""
    return ModelSpec(peer.stem, parse_size(size, "--peer-size"), ("mask",), (0.0,), (255.0,))


def _bench_entries(fp32: Path, baseline: BaselineNetwork | None, threads: int) -> Iterator[BenchEntry]:
    """Yield an entry for each engine and precision that is available, and print those that are not."""
    int8 = fp32.with_name(f"{fp32.stem}-int8.onnx")
    files = {"fp32": fp32} | ({"int8": int8} if int8.exists() else {})
    if len(files) < 2:
        _print_left_out(f"no {int8.name} beside {fp32}: make it with `rtseg quantize`")
    for precision, path in files.items():
        for name in ENGINES:
            try:
                engine = load_engine(path, name, threads=threads)
            except MissingExtra as missing:
                _print_left_out(str(missing))
                continue
            costs = profile_network(path, threads) if name == "openvino" else None
            yield BenchEntry(f"{name} {precision}", engine, costs, precision)
    try:
        yield from _torch_entries(fp32, baseline, threads)
    except MissingExtra as missing:
        _print_left_out(str(missing))


def _torch_entries(fp32: Path, baseline: BaselineNetwork | None, threads: int) -> Iterator[BenchEntry]:
    from rtseg.engines.torch import TorchEngine, load_script

    config = fp32.with_suffix(".toml")
    if config.exists():
        yield BenchEntry("torch eager fp32", _eager_engine(config, threads))
    else:
        _print_left_out(f"no {config.name} beside {fp32}, which its form in torch is built from")
    if baseline:
        path, spec = baseline
        yield BenchEntry(f"peer {path.stem}", TorchEngine(load_script(path, spec), spec, threads=threads))


def _eager_engine(config: Path, threads: int) -> Engine:
    """Build the network in torch with random weights, which do not affect its time."""
    from rtseg.engines.torch import TorchEngine
    from rtseg.train.checkpoint import build_network, make_spec
    from rtseg.train.config import read_config

    settings = read_config(config)
    network = build_network(settings)
    return TorchEngine(network, make_spec(network, settings), threads=threads)


def _print_left_out(text: str) -> None:
    console.print(f"left out: {text}", style="yellow", markup=False, highlight=False)


def _engine_table(result: EngineBench) -> Table:
    """Return a table of the time of each entry, and of how many times as fast the fastest entry is."""
    rows = {entry.name: entry for entry in result.entries}
    fastest = min(rows, key=result.median_ms)
    peaks = ", ".join(f"{rate / 1e9:.0f} GMAC/s in {precision}" for precision, rate in result.peaks.items())
    caption = f"{result.threads} threads; the machine's measured peak: {peaks}; compare times only within one run"
    table = Table(
        title="the networks without the pipeline, in turns", caption=caption, title_justify="left", caption_justify="left"
    )
    table.add_column("engine")
    for column in ("median ms", f"{fastest} is as fast", "GMAC", "of the peak, at best", "time goes to"):
        table.add_column(column, justify="left" if column == "time goes to" else "right")
    for name, entry in rows.items():
        ratio = f"{result.speedup(fastest, name):.2f} times"
        table.add_row(name, f"{result.median_ms(name):.2f}", ratio, *_costs(result, entry))
    return table


def _costs(result: EngineBench, entry: BenchEntry) -> tuple[str, str, str]:
    fraction = result.fraction_of_peak(entry)
    if entry.cost is None or fraction is None:
        return "", "", ""
    shares = ", ".join(f"{kind} {share:.0%}" for kind, share in list(entry.cost.shares.items())[:3])
    return f"{entry.cost.macs / 1e9:.2f}", f"{fraction:.0%}", shares
