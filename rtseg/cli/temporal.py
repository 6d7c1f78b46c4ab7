"""`rtseg bench --temporal`: is the memory alive, and are the masks steady?"""

import json as jsonlib
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from rich.table import Table

from rtseg.cli.app import console
from rtseg.dataset import Case, open_dataset, scans
from rtseg.engines.base import Engine
from rtseg.errors import DatasetError
from rtseg.evaluate import evaluate
from rtseg.session import Session
from rtseg.temporal_bench import Clip, bench, phantom, real
from rtseg.temporal_bench.steady import Memoryless

RECORDING_FRAMES = 450  # of each recording at most
PHANTOM = "vessel?seed=7&height=360&width=360"
MEASURES = {  # of a row of the report: the heading, and how it is written
    "dice": ("Dice", "{:.4f}"),
    "flicker": ("flicker", "{:.5f}"),
    "temporal_iou": ("IoU in time", "{:.4f}"),
    "area_jitter": ("area jitter", "{:.4f}"),
    "centroid_jerk_px": ("jerk, px", "{:.3f}"),
    "dtssd": ("dtSSD", "{:.4f}"),
    "lag_frames": ("lag", "{:.2f}"),
    "engine_ran": ("engine", "{:.2f}"),
}


def temporal(
    network: Engine, recordings: Iterable[str], data: Path | None, subjects: str, frames: int, json: Path | None
) -> None:
    """Run the measurements and show them; data: a dataset, for its sparse scans and for stills to set in motion."""
    with console.status("reading") as status:
        exact = [phantom("phantom", PHANTOM, frames)]
        cases = _cases(data, subjects) if data else {}
        exact += [_simulated(scan[0], frames) for scan in cases.values()]
        report = bench(network, [real(uri, RECORDING_FRAMES) for uri in recordings], exact, status.update)
        if data:
            status.update("sparse scans")
            report["sparse_scans"] = {"data": str(data), **_sparse(network, data)}
    for table in _tables(report):
        console.print(table)
    if json:
        json.write_text(jsonlib.dumps(report, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        console.print(f"wrote {json}", highlight=False)


def _cases(folder: Path, subjects: str) -> dict[str, tuple[Case, ...]]:
    """The scans of the named subjects, or of all."""
    known = scans(open_dataset(folder))
    wanted = [name.strip() for name in subjects.split(",")] if subjects else list(known)
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        raise DatasetError(f"{folder} has no subject {unknown[0]!r}: there are {', '.join(list(known)[:12])}")
    return {name: known[name] for name in wanted}


def _simulated(case: Case, frames: int) -> Clip:
    """A still set in motion, with the exact truth of each frame. Raises MissingExtra."""
    from rtseg.train.demo_clip import moving

    pairs = list(islice(moving(case), frames))
    images, truths = zip(*pairs, strict=True)
    return Clip(f"{case.name}, set in motion", images, tuple(range(len(images))), truths)


def _sparse(network: Engine, folder: Path) -> dict[str, Any]:
    """Dice of the first class on real frames that lie seconds apart, with the memory and without."""
    name = network.spec.classes[0]
    ways = {"memory": network, "frame by frame": Memoryless(network)}
    return {way: evaluate(Session(one), folder, model=network.spec.name).summary(name)["dice"] for way, one in ways.items()}


def _tables(report: dict[str, Any]) -> Iterator[Table]:
    yield _events(report["events"], report["without_events"])
    yield _grabber(report["grabber"])
    yield _steadiness(report["steadiness"])


def _steadiness(rows: dict[str, dict[str, Any]]) -> Table:
    headings = [heading for heading, _ in MEASURES.values()]
    table = Table("", *headings, title="steadiness, on clips with exact truth", title_justify="left")
    for way, row in rows.items():
        figures = ((row[name], written) for name, (_, written) in MEASURES.items())
        table.add_row(way, *("-" if figure is None else written.format(figure) for figure, written in figures))
    return table


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
