"""Trains a network once for each fold of the subjects, and pools the Dice of subjects that their network never saw."""

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

from rtseg.errors import ConfigError, described
from rtseg.evaluation.dataset import open_dataset, report_names
from rtseg.output.atomic_file import write_or_refuse
from rtseg.text.safe_text import json_text
from rtseg.train.checkpoint import load_trained
from rtseg.train.config import read_config
from rtseg.train.data_split import DataSplit, check_split, make_folds
from rtseg.train.held_out_dice import held_out_dice, plain_session
from rtseg.train.run import CHECKPOINT, train_config

FOLDS = "folds.json"


def cross_validate(
    config_path: Path | str, out_dir: Path | str, count: int, *, resume: bool = False, threads: int = 2
) -> dict[str, Any]:
    """Train each fold into out_dir/foldN and return the report that is written to out_dir/folds.json.

    resume: continue with the folds that are not in the report. Raises ConfigError, DatasetError, SinkError.
    """
    config, out = read_config(config_path), Path(out_dir)
    cases = open_dataset(config.data.folder)
    report_names(cases, config.classes)
    folds = make_folds(cases, config, count)
    done = _earlier_folds(out / FOLDS, folds, resume)
    for fold in folds:  # before the first step of the first one
        check_split(fold, config)
    for place, fold in enumerate(folds[len(done) :], start=len(done)):
        folder = out / f"fold{place}"
        going_on = resume and (folder / CHECKPOINT).exists()
        checkpoint = train_config(config, folder, resume=going_on, threads=threads, compare_halves=False, halves=fold)
        dice = held_out_dice(plain_session(*load_trained(checkpoint)), fold.held_out)
        done.append({"held_out": _subjects(fold), "dice": dice, "mean_dice": round(fmean(dice.values()), 5)})
        write_or_refuse(out / FOLDS, json_text(_report(done, count), indent=1).encode())
    return _report(done, count)


def _report(done: Sequence[dict[str, Any]], count: int) -> dict[str, Any]:
    pooled = [value for fold in done for value in fold["dice"].values()]
    figures = {"subjects": len(pooled), "mean": round(fmean(pooled), 5), "median": round(median(pooled), 5)}
    return {"folds_of": count, "pooled": figures | {"worst": min(pooled)}, "folds": list(done)}


def _earlier_folds(path: Path, folds: Sequence[DataSplit], resume: bool) -> list[dict[str, Any]]:
    """Return the folds that were measured before. Raises ConfigError where they are of another split."""
    if not path.exists():
        return []
    if not resume:
        raise ConfigError(f"{path} is of an earlier training: name another folder, or go on from it with --resume")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        done: list[dict[str, Any]] = values["folds"]
        same = (
            values["folds_of"] == len(folds)
            and [one["held_out"] for one in done] == [_subjects(one) for one in folds][: len(done)]
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is no report of folds ({described(error)}): name another folder") from None
    if not same:
        raise ConfigError(f"{path} is of other folds: go on with those, or name another folder")
    return done


def _subjects(fold: DataSplit) -> list[str]:
    return sorted({case.subject for case in fold.held_out})
