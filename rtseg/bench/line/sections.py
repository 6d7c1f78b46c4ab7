"""Formats a report as titled tables of text, which the Markdown and the HTML page both show."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rtseg.bench.line.report import FAST, PACED, RUNS, SUSTAINED
from rtseg.trace import DEVICE

TITLES = {FAST: "As fast as possible", PACED: "Paced, at the source's rate", SUSTAINED: "Sustained, at the source's rate"}
STATISTICS = ("p50", "p90", "p95", "p99", "p99.9", "max", "mean", "std", "tail", "flatness")
ABSENT = "not told by this machine"


@dataclass(frozen=True, slots=True)
class Section:
    """Holds a table with its title."""

    title: str
    header: tuple[str, ...]  # empty for rows of (name, value)
    rows: tuple[tuple[str, ...], ...]
    note: str = ""  # text above the table


def headline(report: Mapping[str, Any]) -> str:
    """Return a line that names the model, engine and source, and marks a quick report as not citable."""
    text = f"{report['model']} ({report['network']['engine']}, {report['network']['precision']}) on {report['source']}"
    return f"QUICK, not to be cited: {text}" if report["quick"] else text


def sections(report: Mapping[str, Any]) -> Iterator[Section]:
    """Yield all results of a report as tables, the measured objects and the machine first."""
    yield Section("What was measured", (), tuple(_target_pairs(report)), f"Inside the clock: {report['clock']}.")
    yield Section("The machine", (), tuple(_flattened(report["machine"])))
    for name in RUNS:
        if name in report:
            yield _latency(name, report[name])
            yield Section(f"{TITLES[name]}: frames", (), tuple(_count_pairs(report[name])))
    yield Section("Against the engine alone", (), tuple(_engine_pairs(report)))
    if "cold_start_ms" in report:
        note = "Milliseconds, in a fresh process; engine: built, or read from a cache, and loaded."
        yield Section("Cold start", (), tuple(_flattened(report["cold_start_ms"])), note)
    yield from _power(report.get("power"), report.get("meters_absent", {}))
    if "accuracy" in report:
        yield from _accuracy(report["accuracy"])


def _target_pairs(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    stream, network = report["stream"], report["network"]
    yield "began at (UTC)", str(report.get("began_at") or ABSENT)  # reports of older versions lack it
    yield "source", str(report["source"])
    yield "stream", f"{stream['width']}x{stream['height']}, {stream['fps']:g} fps, {stream['pixel_format']}"
    yield from _flattened(network)
    yield from _flattened({"steadied in time": report["steadied_in_time"]})


def _latency(name: str, run: Mapping[str, Any]) -> Section:
    rows = tuple((stage, *(_number(figures[figure]) for figure in STATISTICS)) for stage, figures in run["stages_ms"].items())
    note = "Milliseconds; `total` counts from capture; tail: p100 - p95; flatness: p90 - p10."
    if any(stage.startswith(DEVICE) for stage in run["stages_ms"]):
        note += f" `{DEVICE}...`: by the GPU's own events, copies and waits inside; the host's stages hold it already."
    age = run["age_ms"]
    aged = (("age when replaced", *(_number(age[figure]) for figure in STATISTICS)),) if age else ()
    return Section(TITLES[name], ("stage", *STATISTICS), rows + aged, note)


def _count_pairs(run: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "measured", f"{run['frames']} frames; a warm-up of {run['warmup']} before them is not counted"
    yield "throughput", f"{_number(run['fps'])} frames a second"
    yield "dropped, late, repeated", f"{run['dropped']}, {run['late']} (over {run['period_ms']:.1f} ms), {run['repeated']}"
    yield "deadlines missed", ", ".join(f"{missed} at {fps}" for fps, missed in run["missed_deadlines"].items())
    yield "the memory's life", ", ".join(f"{count} {name}" for name, count in run["memory"].items() if count)
    held = run["memory_mb"]
    slope = run["memory_slope_mb_per_min"]
    grows = "too short to tell a slope" if slope is None else f"{slope:+.2f} MB a minute in the second half"
    yield "memory held", f"{held[0][1]:.0f} MB at first, {held[-1][1]:.0f} MB at last; {grows}" if held else ABSENT
    yield "threads", str(run["threads"] or ABSENT)
    yield "processor", _shares(run.get("processor"))


def _shares(processor: Mapping[str, float] | None) -> str:
    """Format the shares of the CPU time; reports of older versions lack them."""
    if not processor:
        return ABSENT
    words = {"own": "rtseg", "others": "other processes", "stolen": "stolen by the hypervisor", "idle": "idle"}
    return ", ".join(f"{words[name]} {share:.1%}" for name, share in processor.items())


def _engine_pairs(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "engine alone, fps a round", ", ".join(f"{fps:.1f}" for fps in report["engine_alone_fps"])
    yield "whole line, fps a round", ", ".join(f"{fps:.1f}" for fps in report["line_fps"])
    yield "line / engine, median", f"{report['line_over_engine']:.3f}"


def _power(power: Mapping[str, Any] | None, absent: Mapping[str, str]) -> Iterator[Section]:
    for name, figures in (power or {}).items():
        plain = {key: value for key, value in figures.items() if key != "series"}
        yield Section(f"Power and temperature: {name}", (), tuple(_flattened(plain)))
    if absent:
        yield Section("Absent meters", (), tuple(absent.items()))


def _accuracy(accuracy: Mapping[str, Any]) -> Iterator[Section]:
    for part, figures in accuracy.items():
        if not figures:
            continue
        header = ("", *next(iter(figures.values())))
        rows = tuple((name, *(_number(value) for value in row.values())) for name, row in figures.items())
        yield Section(part, header, rows)


def _flattened(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield nested values as pairs of text."""
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flattened(value, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}".replace("_", " "), ABSENT if value is None or value == {} else _number(value)


def _number(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        return ", ".join(map(_number, value))
    return (
        f"{value:.4g}"
        if isinstance(value, float) and abs(value) < 100
        else f"{value:.1f}"
        if isinstance(value, float)
        else str(value)
    )
