"""`rtseg bench --temporal` and `rtseg eval --video`: measure the state resets and how stable the masks are in time."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.table import Table

from rtseg.bench.temporal import BenchClip, bench_temporal, phantom_clip, recorded_clip
from rtseg.bench.temporal.report import QUIET_FRAMES
from rtseg.bench.temporal.stabilizing import USUAL_VARIANTS, PipelineVariant, VariantMetrics
from rtseg.bench.temporal.table import COLUMNS
from rtseg.bench.temporal.video import bench_video
from rtseg.cli.app import console, show
from rtseg.cli.options.dataset import select_cases
from rtseg.engines.base import Engine
from rtseg.evaluation.dataset import Case, Classes, open_dataset, scans
from rtseg.evaluation.evaluate import evaluate
from rtseg.output.atomic_file import write_atomically
from rtseg.text.safe_text import json_text

RECORDING_FRAMES = 450  # most frames of each recording
PHANTOM = "vessel?seed=7&height=360&width=360"
MAX_CLIPS = 6  # most stills that are moved, spread over the subjects
MIN_SCAN_FRAMES = 6  # fewest frames of a scan for which metrics in time are meaningful
CONDITIONS = {
    "in motion": False,
    "in motion, spoilt": True,
}  # corrupted: 3 of every 15 frames, by shadow, dropout, noise, blur or gain
MEASURES = {**COLUMNS, "engine_ran": ("engine", "{:.2f}")}  # column of the report -> (heading, format)


def temporal(
    network: Engine,
    recordings: Iterable[str],
    data: Path | None,
    subjects: str,
    frames: int,
    json: Path | None,
    plot: Path | None = None,
    quiet_frames: int = QUIET_FRAMES,
) -> None:
    """Run `rtseg bench --temporal`. data: a dataset, for its sparse scans and for stills that are moved."""
    _check_plot(plot)
    with console.status("reading") as status:
        exact = [phantom_clip("phantom", PHANTOM, frames)]
        cases = select_cases(open_dataset(data), "", None, subjects) if data else ()
        exact += _simulated_clips(cases, network.spec.classes, frames, spoilt=False)
        report = bench_temporal(
            network, [recorded_clip(uri, RECORDING_FRAMES) for uri in recordings], exact, status.update, quiet_frames
        )
        if data:
            status.update("sparse scans")
            report["sparse_scans"] = {"data": str(data), **_sparse_scan_dice(network, data, cases)}
    for table in _tables(report):
        show(table)
    _write_json(json, report)
    _draw(plot, {"clips with exact truth": report["steadiness"]}, {}, report)


def measure_video(
    network: Engine, cases: Sequence[Case], frames: int, json: Path | None, plot: Path | None, changed: PipelineVariant
) -> None:
    """Run `rtseg eval --video` on the cases. changed: what every variant changes of the network's view and masks."""
    _check_plot(plot)
    variants = {name: replace(changed, memory=one.memory, temporal=one.temporal) for name, one in USUAL_VARIANTS.items()}
    classes = network.spec.classes
    with console.status("reading") as status:
        groups = {name: _simulated_clips(cases, classes, frames, spoilt=spoilt) for name, spoilt in CONDITIONS.items()}
        report = bench_video(network, groups, list(_scan_clips(cases, classes)), status.update, variants)
    report |= changed.to_json()
    drawn = dict(report["simulated"]) | ({"real scans, seconds apart": report["scans"]} if "scans" in report else {})
    for name, rows in drawn.items():
        show(_stability_table(rows, name))
    for name, reached in report["goals"].items():
        console.print(_format_goal(name, reached), highlight=False)
    _write_json(json, report)
    _draw(plot, drawn, report["curves"], report)


def _simulated_clips(cases: Sequence[Case], classes: Classes, frames: int, *, spoilt: bool) -> list[BenchClip]:
    """Move one still of each of a few subjects, with the exact truth of each frame. Raises MissingExtra."""
    if not cases:
        return []
    from rtseg.train.simulated import simulate_frames

    subjects = list(scans(cases).values())
    clips = []
    for seed, scan in enumerate(subjects[:: -(-len(subjects) // MAX_CLIPS)]):
        still = scan[len(scan) // 2]
        images, truths = zip(*islice(simulate_frames(still, classes, seed, spoilt=spoilt), frames), strict=True)
        clean_images = tuple(image for image, _ in islice(simulate_frames(still, classes, seed), frames)) if spoilt else None
        name = f"{still.name}, in motion{', spoilt' if spoilt else ''}"
        clips.append(BenchClip(name, images, tuple(range(frames)), truths, clean_images))
    return clips


def _scan_clips(cases: Sequence[Case], classes: Classes) -> Iterator[BenchClip]:
    """Yield the scans that have enough frames, in the order in which they were taken."""
    for subject, scan in scans(cases).items():
        if len(scan) >= MIN_SCAN_FRAMES:
            images = tuple(case.grey() for case in scan)
            yield BenchClip(subject, images, tuple(range(len(scan))), tuple(case.labels(classes) for case in scan))


def _sparse_scan_dice(network: Engine, folder: Path, cases: Sequence[Case]) -> dict[str, Any]:
    """Return the Dice of the first class on real frames seconds apart, for each of the usual ways."""
    name = network.spec.classes[0]
    found = {
        way: evaluate(how.session(network), folder, model=network.spec.name, cases=cases) for way, how in USUAL_VARIANTS.items()
    }
    return {way: evaluation.summary(name)["dice"] for way, evaluation in found.items()}


def _tables(report: dict[str, Any]) -> Iterator[Table]:
    yield _events_table(report["events"], report["without_events"])
    yield _grabber_table(report["grabber"])
    yield _stability_table(report["steadiness"], "steadiness, on clips with exact truth")


def _stability_table(rows: Mapping[str, VariantMetrics], title: str) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 1))
    table.add_column("", no_wrap=True)
    columns = [[_format_value(row.get(name), form) for row in rows.values()] for name, (_, form) in MEASURES.items()]
    for (heading, _), figures in zip(MEASURES.values(), columns, strict=True):
        table.add_column(heading, justify="right", width=max(map(len, [*heading.split(), *figures])))
    for way, *figures in zip(rows, *columns, strict=True):
        table.add_row(way, *figures)
    return table


def _format_value(figure: Any, form: str) -> str:
    return "-" if figure is None else form.format(figure)


def _events_table(events: list[dict[str, Any]], quiet: dict[str, Any]) -> Table:
    caption = f"{quiet['resets']} resets on {quiet['frames']} frames of recordings in which nothing happens"
    table = Table("clip", "seen after ... frames", "unexplained resets", "after a cut like a fresh session", caption=caption)
    for one in events:
        delays = ", ".join(f"{kind} {'never' if frames is None else frames}" for kind, frames in one["delay_frames"].items())
        table.add_row(one["clip"], delays, str(one["unexplained_resets"]), str(one["after_a_cut_like_a_fresh_session"]))
    return table


def _grabber_table(rows: list[dict[str, Any]]) -> Table:
    table = Table("60 Hz grabber, 25 Hz scanner", "new pictures", "engine ran", "masks changed at repeats")
    for one in rows:
        shares = (f"{100 * one[name]:.1f} %" for name in ("new_pictures", "engine_ran"))
        table.add_row(one["clip"], *shares, str(one["masks_changed_at_repeats"]))
    return table


def _format_goal(name: str, reached: dict[str, Any]) -> str:
    ratio = reached["flicker_ratio"]
    flicker = "no flicker frame by frame" if ratio is None else f"{ratio:.0%} of the flicker"
    lag = "unknown" if reached["lag_frames"] is None else f"{reached['lag_frames']:.2f} frames"
    return f"{name}: stabilized, compared with frame by frame: {flicker}, Dice {reached['dice_gain']:+.4f}, lag {lag}"


def _check_plot(plot: Path | None) -> None:
    """Raise MissingExtra before the measurement starts, not after it."""
    if plot:
        import rtseg.bench.plotting  # noqa: F401


def _write_json(json: Path | None, report: dict[str, Any]) -> None:
    if json:
        write_atomically(json, (json_text(report, indent=2, allow_nan=False) + "\n").encode())
        console.print(f"wrote {json}", highlight=False)


def _draw(
    plot: Path | None, groups: Mapping[str, Mapping[str, VariantMetrics]], curves: Mapping[str, Any], report: dict[str, Any]
) -> None:
    if plot:
        from rtseg.bench.temporal.plot import plot_variants

        plot_variants(groups, curves, f"{report['model']}: how steady its masks are", plot)
        console.print(f"wrote {plot}", highlight=False)
