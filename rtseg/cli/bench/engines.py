"""`rtseg bench --engines`: times one model on every installed engine, in FP32 and INT8, against a baseline network."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TypeAlias

from rich.table import Table

from rtseg.bench.engines import Contestant, EngineBench, Turns, compare
from rtseg.cli.app import console
from rtseg.cli.options.model import size_of
from rtseg.engines.base import Engine, ModelSpec
from rtseg.engines.load import ENGINES, load_engine, model_path
from rtseg.engines.profile import cost
from rtseg.errors import MissingExtra
from rtseg.output.atomic_file import write_atomically
from rtseg.system.machine import cores
from rtseg.text.safe_text import json_text

Rival: TypeAlias = tuple[Path, ModelSpec]  # the TorchScript file of another project's network, and its input


def compare_engines(model: str, peer: Path | None, peer_size: str, turns: Turns, threads: int, json: Path | None) -> None:
    """Time MODEL, its INT8 form and its form in torch if they lie beside it, and a baseline; print and write the results."""
    threads = threads or cores()
    rival = (peer, _described(peer, peer_size)) if peer else None
    with ExitStack() as stack, console.status("measuring") as status:
        contestants = list(_contestants(model_path(model), rival, threads))
        for contestant in contestants:
            stack.enter_context(closing(contestant.engine))
        result = compare(contestants, turns, threads, status.update)
    console.print(_table(result))
    if json:
        write_atomically(json, (json_text(result.to_json(), indent=2) + "\n").encode())
        console.print(f"wrote {json}", highlight=False)


def _described(peer: Path, size: str) -> ModelSpec:
    """Return a spec of the baseline with its input size; the other values do not affect its time."""
    return ModelSpec(peer.stem, size_of(size, "--peer-size"), ("mask",), (0.0,), (255.0,))


def _contestants(fp32: Path, rival: Rival | None, threads: int) -> Iterator[Contestant]:
    """Yield an entry for each engine and precision that is available, and print those that are not."""
    int8 = fp32.with_name(f"{fp32.stem}-int8.onnx")
    files = {"fp32": fp32} | ({"int8": int8} if int8.exists() else {})
    if len(files) < 2:
        _say(f"no {int8.name} beside {fp32}: make it with `rtseg quantize`")
    for precision, path in files.items():
        for name in ENGINES:
            try:
                engine = load_engine(path, name, threads=threads)
            except MissingExtra as missing:
                _say(str(missing))
                continue
            costs = cost(path, threads) if name == "openvino" else None
            yield Contestant(f"{name} {precision}", engine, costs, precision)
    try:
        yield from _in_torch(fp32, rival, threads)
    except MissingExtra as missing:
        _say(str(missing))


def _in_torch(fp32: Path, rival: Rival | None, threads: int) -> Iterator[Contestant]:
    from rtseg.engines.torch import TorchEngine, load_script

    config = fp32.with_suffix(".toml")
    if config.exists():
        yield Contestant("torch eager fp32", _eager(config, threads))
    else:
        _say(f"no {config.name} beside {fp32}, which its form in torch is built from")
    if rival:
        path, spec = rival
        yield Contestant(f"peer {path.stem}", TorchEngine(load_script(path, spec), spec, threads=threads))


def _eager(config: Path, threads: int) -> Engine:
    """Build the network in torch with random weights, which do not affect its time."""
    from rtseg.engines.torch import TorchEngine
    from rtseg.train.checkpoint import build, describe
    from rtseg.train.config import read_config

    settings = read_config(config)
    network = build(settings)
    return TorchEngine(network, describe(network, settings), threads=threads)


def _say(text: str) -> None:
    console.print(f"left out: {text}", style="yellow", markup=False, highlight=False)


def _table(result: EngineBench) -> Table:
    """Return a table of the time of each entry, and of how many times as fast the fastest entry is."""
    rows = {contestant.name: contestant for contestant in result.contestants}
    fastest = min(rows, key=result.median_ms)
    peaks = ", ".join(f"{rate / 1e9:.0f} GMAC/s in {precision}" for precision, rate in result.peaks.items())
    caption = f"{result.threads} threads; the machine's measured peak: {peaks}; compare times only within one run"
    table = Table(
        title="the networks without the pipeline, in turns", caption=caption, title_justify="left", caption_justify="left"
    )
    table.add_column("engine")
    for column in ("median ms", f"{fastest} is as fast", "GMAC", "of the peak, at best", "time goes to"):
        table.add_column(column, justify="left" if column == "time goes to" else "right")
    for name, contestant in rows.items():
        ratio = f"{result.times_as_fast(fastest, name):.2f} times"
        table.add_row(name, f"{result.median_ms(name):.2f}", ratio, *_costs(result, contestant))
    return table


def _costs(result: EngineBench, contestant: Contestant) -> tuple[str, str, str]:
    fraction = result.fraction_of_peak(contestant)
    if contestant.cost is None or fraction is None:
        return "", "", ""
    shares = ", ".join(f"{kind} {share:.0%}" for kind, share in list(contestant.cost.shares.items())[:3])
    return f"{contestant.cost.macs / 1e9:.2f}", f"{fraction:.0%}", shares
