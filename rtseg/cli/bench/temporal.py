"""`rtseg bench --temporal` and `rtseg eval --video`: measure the state resets and how stable the masks are in time."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.table import Table

from rtseg.bench.temporal import Clip, bench, phantom, real
from rtseg.bench.temporal.report import QUIET_FRAMES
from rtseg.bench.temporal.stabilizing import USUAL_WAYS, Row
from rtseg.bench.temporal.table import COLUMNS
from rtseg.bench.temporal.video import video
from rtseg.cli.app import console, show
from rtseg.cli.options.dataset import chosen
from rtseg.engines.base import Engine
from rtseg.evaluation.dataset import Case, open_dataset, scans
from rtseg.evaluation.evaluate import evaluate
from rtseg.output.atomic_file import write_atomically
from rtseg.text.safe_text import json_text

RECORDING_FRAMES = 450  # most frames of each recording
PHANTOM = "vessel?seed=7&height=360&width=360"
MOST_CLIPS = 6  # most stills that are moved, spread over the subjects
LEAST_SCAN = 6  # fewest frames of a scan for which metrics in time are meaningful
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
        exact = [phantom("phantom", PHANTOM, frames)]
        cases = chosen(open_dataset(data), "", None, subjects) if data else ()
        exact += _simulated(cases, len(network.spec.classes), frames, spoilt=False)
        report = bench(network, [real(uri, RECORDING_FRAMES) for uri in recordings], exact, status.update, quiet_frames)
        if data:
            status.update("sparse scans")
            report["sparse_scans"] = {"data": str(data), **_sparse(network, data, cases)}
    for table in _tables(report):
        show(table)
    _write(json, report)
    _draw(plot, {"clips with exact truth": report["steadiness"]}, {}, report)


def on_video(network: Engine, cases: Sequence[Case], frames: int, json: Path | None, plot: Path | None) -> None:
    """Run `rtseg eval --video` on the cases."""
    _check_plot(plot)
    n_classes = len(network.spec.classes)
    with console.status("reading") as status:
        groups = {name: _simulated(cases, n_classes, frames, spoilt=spoilt) for name, spoilt in CONDITIONS.items()}
        report = video(network, groups, list(_in_order(cases, n_classes)), status.update)
    drawn = dict(report["simulated"]) | ({"real scans, seconds apart": report["scans"]} if "scans" in report else {})
    for name, rows in drawn.items():
        show(_steadiness(rows, name))
    for name, reached in report["goals"].items():
        console.print(_told(name, reached), highlight=False)
    _write(json, report)
    _draw(plot, drawn, report["curves"], report)


def _simulated(cases: Sequence[Case], n_classes: int, frames: int, *, spoilt: bool) -> list[Clip]:
    """Move one still of each of a few subjects, with the exact truth of each frame. Raises MissingExtra."""
    if not cases:
        return []
    from rtseg.train.simulated import simulated

    subjects = list(scans(cases).values())
    clips = []
    for seed, scan in enumerate(subjects[:: -(-len(subjects) // MOST_CLIPS)]):
        still = scan[len(scan) // 2]
        images, truths = zip(*islice(simulated(still, n_classes, seed, spoilt=spoilt), frames), strict=True)
        unspoilt = tuple(image for image, _ in islice(simulated(still, n_classes, seed), frames)) if spoilt else None
        name = f"{still.name}, in motion{', spoilt' if spoilt else ''}"
        clips.append(Clip(name, images, tuple(range(frames)), truths, unspoilt))
    return clips


def _in_order(cases: Sequence[Case], n_classes: int) -> Iterator[Clip]:
    """Yield the scans that have enough frames, in the order in which they were taken."""
    for subject, scan in scans(cases).items():
        if len(scan) >= LEAST_SCAN:
            images = tuple(case.grey() for case in scan)
            yield Clip(subject, images, tuple(range(len(scan))), tuple(case.labels(n_classes) for case in scan))


def _sparse(network: Engine, folder: Path, cases: Sequence[Case]) -> dict[str, Any]:
    """Return the Dice of the first class on real frames seconds apart, for each of the usual ways."""
    name = network.spec.classes[0]
    found = {
        way: evaluate(how.session(network), folder, model=network.spec.name, cases=cases) for way, how in USUAL_WAYS.items()
    }
    return {way: evaluation.summary(name)["dice"] for way, evaluation in found.items()}


def _tables(report: dict[str, Any]) -> Iterator[Table]:
    yield _events(report["events"], report["without_events"])
    yield _grabber(report["grabber"])
    yield _steadiness(report["steadiness"], "steadiness, on clips with exact truth")


def _steadiness(rows: Mapping[str, Row], title: str) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 1))
    table.add_column("", no_wrap=True)
    columns = [[_written(row.get(name), form) for row in rows.values()] for name, (_, form) in MEASURES.items()]
    for (heading, _), figures in zip(MEASURES.values(), columns, strict=True):
        table.add_column(heading, justify="right", width=max(map(len, [*heading.split(), *figures])))
    for way, *figures in zip(rows, *columns, strict=True):
        table.add_row(way, *figures)
    return table


def _written(figure: Any, form: str) -> str:
    return "-" if figure is None else form.format(figure)


def _events(events: list[dict[str, Any]], quiet: dict[str, Any]) -> Table:
    caption = f"{quiet['resets']} resets on {quiet['frames']} frames of recordings in which nothing happens"
    table = Table("clip", "seen after ... frames", "unexplained resets", "after a cut like a fresh session", caption=caption)
    for one in events:
        delays = ", ".join(f"{kind} {'never' if frames is None else frames}" for kind, frames in one["delay_frames"].items())
        table.add_row(one["clip"], delays, str(one["unexplained_resets"]), str(one["after_a_cut_like_a_fresh_session"]))
    return table


def _grabber(rows: list[dict[str, Any]]) -> Table:
    table = Table("60 Hz grabber, 25 Hz scanner", "new pictures", "engine ran", "masks changed at repeats")
    for one in rows:
        shares = (f"{100 * one[name]:.1f} %" for name in ("new_pictures", "engine_ran"))
        table.add_row(one["clip"], *shares, str(one["masks_changed_at_repeats"]))
    return table


def _told(name: str, reached: dict[str, Any]) -> str:
    ratio = reached["flicker_ratio"]
    flicker = "no flicker frame by frame" if ratio is None else f"{ratio:.0%} of the flicker"
    lag = "unknown" if reached["lag_frames"] is None else f"{reached['lag_frames']:.2f} frames"
    return f"{name}: stabilized, compared with frame by frame: {flicker}, Dice {reached['dice_gain']:+.4f}, lag {lag}"


def _check_plot(plot: Path | None) -> None:
    """Raise MissingExtra before the measurement starts, not after it."""
    if plot:
        import rtseg.bench.plotting  # noqa: F401


def _write(json: Path | None, report: dict[str, Any]) -> None:
    if json:
        write_atomically(json, (json_text(report, indent=2, allow_nan=False) + "\n").encode())
        console.print(f"wrote {json}", highlight=False)


def _draw(
    plot: Path | None, groups: Mapping[str, Mapping[str, Row]], curves: Mapping[str, Any], report: dict[str, Any]
) -> None:
    if plot:
        from rtseg.bench.temporal.plot import plot_ways

        plot_ways(groups, curves, f"{report['model']}: how steady its masks are", plot)
        console.print(f"wrote {plot}", highlight=False)
