"""Compares variants of a training for equal minutes: `python -m rtseg.train.comparison PLAN.toml --json REPORT.json`.

Each cell is one variant with one seed. The report is written after each cell, and a further run goes on with the missing ones.
"""

import json
import math
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from rtseg.errors import ConfigError, described
from rtseg.evaluation.dataset import Case, Classes, open_dataset, scans, split
from rtseg.evaluation.metrics import dice
from rtseg.evaluation.temporal_metrics import ClipMotion, flicker, lag
from rtseg.frame import Frame, Image, Labels
from rtseg.output.atomic_file import write_or_refuse
from rtseg.session.session import Session
from rtseg.system.machine import describe_machine
from rtseg.text.log_records import get_logger
from rtseg.text.safe_text import json_text
from rtseg.train.checkpoint import load_trained, read_checkpoint
from rtseg.train.comparison_plan import ComparisonPlan, read_plan
from rtseg.train.config import TrainConfig
from rtseg.train.held_out_dice import FRAME_NS, held_out_dice, plain_session
from rtseg.train.paired_interval import paired_difference, subject_means
from rtseg.train.run import train_config
from rtseg.train.simulated import simulate_frames
from rtseg.wall_clock import utc_now

MEASURES = {  # of each held-out subject, and whether lower is better
    "dice": False,  # on its pictures in time order
    "moving_dice": False,  # on its moving still, degraded in places
    "flicker": True,
    "lag_frames": True,
}

_log = get_logger(__name__)

MovingClip = tuple[list[Image], list[Labels], ClipMotion]


def compare(plan_path: Path, report_path: Path) -> dict[str, Any]:
    """Run the missing cells of a plan and return the report, which is written after each. Raises ConfigError, DatasetError."""
    plan, trainings, digest = read_plan(plan_path)
    report = _earlier_report(report_path, digest)
    base = trainings[plan.baseline]
    cases = split(open_dataset(base.data.folder), base.data.held_out)[1]
    clips = _moving_clips(cases, base.classes, plan.frames)
    for seed in plan.seeds:  # the variants take turns, so that a busy hour falls on all of them
        for name, config in trainings.items():
            if any((cell["variant"], cell["seed"]) == (name, seed) for cell in report["cells"]):
                continue
            cell = {"variant": name, "seed": seed, **_run_cell(config, seed, cases, clips)}
            report["cells"].append(cell)
            report |= {"variants": _summaries(plan, report["cells"]), "ended_at": utc_now()}
            write_or_refuse(report_path, (json_text(report, indent=1) + "\n").encode())
            _log.info("%s, seed %s: %s steps, Dice %.4f", name, seed, cell["steps"], fmean(cell["dice"].values()))
    return report


def _earlier_report(path: Path, digest: str) -> dict[str, Any]:
    """Return the report to go on with, or a new one. Raises ConfigError."""
    if not path.exists():
        return {"plan": digest, "machine": describe_machine(), "began_at": utc_now(), "cells": [], "variants": {}}
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        earlier, cells = report["plan"], report["cells"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is no report of a comparison ({described(error)}): name another file") from None
    if earlier != digest or not isinstance(cells, list):
        raise ConfigError(f"{path} is of another plan: a plan is stated before its first run; name another file")
    return report


def _run_cell(config: TrainConfig, seed: int, cases: Sequence[Case], clips: Mapping[str, MovingClip]) -> dict[str, Any]:
    """Train a variant and return its measures by subject, and its number of steps. Raises DatasetError, SinkError."""
    seeded = replace(config, schedule=replace(config.schedule, seed=seed))
    with tempfile.TemporaryDirectory(prefix="rtseg-comparison-") as folder:
        checkpoint = train_config(seeded, Path(folder), threads=1, compare_halves=False)
        network, spec = load_trained(checkpoint)
        steps = read_checkpoint(checkpoint)[1]["step"]
    session = plain_session(network, spec)
    return {"steps": steps, "dice": held_out_dice(session, cases), **_moving_measures(session, clips)}


def _moving_clips(cases: Sequence[Case], classes: Classes, frames: int) -> dict[str, MovingClip]:
    """Return a clip of the middle picture of each subject in simulated motion, degraded in places, with its true motion."""
    clips = {}
    for subject in sorted({case.subject for case in cases}):
        group = next(iter(scans(case for case in cases if case.subject == subject).values()))
        middle = group[len(group) // 2]
        clean, spoilt = (simulate_frames(middle, classes, 1, spoilt=flag) for flag in (False, True))
        pairs = [next(spoilt) for _ in range(frames)]
        motion = ClipMotion([next(clean)[0] for _ in range(frames)])
        clips[subject] = [image for image, _ in pairs], [truth for _, truth in pairs], motion
    return clips


def _moving_measures(session: Session, clips: Mapping[str, MovingClip]) -> dict[str, Any]:
    """Return Dice, flicker and lag by subject, each the mean over the classes in the clip."""
    found: dict[str, dict[str, float | None]] = {name: {} for name in list(MEASURES)[1:]}
    for subject, (images, truths, motion) in clips.items():
        session.reset("next clip")
        masks = [session.step(Frame(image, place, place * FRAME_NS)).labels for place, image in enumerate(images)]
        for name, values in _clip_measures(masks, truths, motion).items():
            found[name][subject] = _mean(values)
    return found


def _clip_measures(masks: Sequence[Labels], truths: Sequence[Labels], motion: ClipMotion) -> dict[str, list[float]]:
    """Return the values of each measure for the classes in the ground truth."""
    values: dict[str, list[float]] = {name: [] for name in list(MEASURES)[1:]}
    for label in np.unique(np.stack(truths))[1:]:
        found, true = [one == label for one in masks], [one == label for one in truths]
        values["moving_dice"].append(fmean(dice(truth, mask) for truth, mask in zip(true, found, strict=True)))
        values["flicker"].append(flicker(motion, found))
        values["lag_frames"].append(lag(found, true))
    return values


def _mean(values: Sequence[float]) -> float | None:
    """Return the mean of the finite values; None without any, because JSON has no NaN."""
    known = [value for value in values if math.isfinite(value)]
    return round(fmean(known), 5) if known else None


def _summaries(plan: ComparisonPlan, cells: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return for each variant the means of its measures, and the differences to the baseline over the seeds of both."""
    by = {name: {cell["seed"]: cell for cell in cells if cell["variant"] == name} for name in plan.variants}
    rows = {}
    for name, seeds in by.items():
        common = sorted(seeds.keys() & by[plan.baseline].keys())
        row: dict[str, Any] = {"seeds": sorted(seeds)}
        for measure, lower in MEASURES.items():
            if seeds:
                row[measure] = round(float(np.nanmean(subject_means([cell[measure] for cell in seeds.values()]))), 5)
            if common and name != plan.baseline:
                base, ours = ([one[seed][measure] for seed in common] for one in (by[plan.baseline], seeds))
                row[f"{measure}_difference"] = paired_difference(base, ours, lower_is_better=lower)
        rows[name] = row
    return rows


def main(arguments: Sequence[str]) -> None:
    """Run the command line. Raises ConfigError, DatasetError."""
    if len(arguments) != 3 or arguments[1] != "--json":
        raise ConfigError("give PLAN.toml --json REPORT.json")
    compare(Path(arguments[0]), Path(arguments[2]))


if __name__ == "__main__":
    main(sys.argv[1:])
