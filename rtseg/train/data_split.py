"""Splits a dataset into training and held-out pictures by subject: as stated, or made from a seed and written down."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rtseg.errors import ConfigError, DatasetError, described
from rtseg.evaluation.dataset import Case, find_near_duplicates, split
from rtseg.evaluation.dataset.near_duplicates import near_duplicate_groups
from rtseg.evaluation.dataset.subject_names import leading_subject
from rtseg.output.atomic_file import write_or_refuse
from rtseg.text.log_records import get_logger
from rtseg.text.safe_text import json_text
from rtseg.train.config import TrainConfig

_log = get_logger(__name__)

Cases = tuple[Case, ...]


@dataclass(frozen=True, slots=True)
class DataSplit:
    """Holds the two halves of a dataset."""

    training: Cases
    held_out: Cases
    is_stated: bool = True  # by the configuration; else it was made


def make_split(cases: Sequence[Case], config: TrainConfig) -> DataSplit:
    """Split as the configuration states, else hold out a share of the subjects. Raises DatasetError."""
    data = config.data
    if not data.held_out_share:
        training, held_out = split(cases, data.held_out)
        return DataSplit(training, held_out)
    groups = _shuffled(subject_groups(cases), data.split_seed)
    if len(groups) < 2:
        raise DatasetError(
            f"{data.folder} shows one subject only: add others, or give held_out = [] to train on all and measure on none"
        )
    count = min(len(groups) - 1, max(1, round(data.held_out_share * len(groups))))
    _log.warning(
        "%s of %s subjects are held out, by split_seed = %s; split.json names them", count, len(groups), data.split_seed
    )
    return DataSplit(_joined(groups[count:]), _joined(groups[:count]), is_stated=False)


def make_folds(cases: Sequence[Case], config: TrainConfig, count: int) -> list[DataSplit]:
    """Return a split for each of `count` folds, which hold out each subject once. Raises DatasetError, ConfigError."""
    groups = _shuffled(subject_groups(cases), config.data.split_seed)
    if not 2 <= count <= len(groups):
        raise ConfigError(f"--folds is {count} for {len(groups)} subjects: give 2 or more, and a subject or more for each")
    folds = [groups[place::count] for place in range(count)]
    return [
        DataSplit(_joined([one for other in folds if other is not fold for one in other]), _joined(fold), is_stated=False)
        for fold in folds
    ]


def read_split(path: Path, cases: Sequence[Case]) -> DataSplit:
    """Return the split that an earlier run wrote; pictures that are new since then are left out. Raises DatasetError."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        names = [[str(name) for name in values[half]] for half in ("training", "held_out")]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{path} is no split ({described(error)}): name another folder to train into") from None
    known = {case.name: case for case in cases}
    absent = sorted({name for half in names for name in half} - known.keys())
    if absent:
        raise DatasetError(f"{len(absent)} pictures of {path} are gone, {absent[0]} first: bring them back, or train anew")
    new = len(known) - sum(map(len, names))
    if new:
        _log.warning("%s pictures are new since %s was written, and are left out", new, path)
    training, held_out = (tuple(known[name] for name in half) for half in names)
    return DataSplit(training, held_out, is_stated=False)


def subject_groups(cases: Sequence[Case]) -> list[Cases]:
    """Return the cases by subject; where names tell none, near-duplicates are a group, which is logged. Raises DatasetError."""
    told: dict[str, list[Case]] = {}
    untold = []
    for case in cases:
        subject = case.subject if case.subject != case.name else leading_subject(case.name)
        told.setdefault(subject, []).append(case) if subject else untold.append(case)
    groups = [tuple(group) for group in told.values()]
    if untold:
        alike = near_duplicate_groups(untold)
        words = "no subject can be told from the names of %s of %s pictures: near-duplicates are kept together (%s groups)"
        _log.warning(words, len(untold), len(cases), len(alike))
        groups += alike
    return groups


def check_split(halves: DataSplit, config: TrainConfig) -> None:
    """Read every mask, and check that each class is in both halves of a split that was made. Raises DatasetError.

    A stated split may lack a class in its held-out half, which is logged: it is then trained and not measured.
    """
    for half, cases in (("training", halves.training), ("held-out", halves.held_out)):
        lacking = _lacking(cases, config.classes) if cases else ()
        if not lacking:
            continue
        words = f"no {half} picture of {config.data.folder} shows {', '.join(lacking)}"
        if half == "held-out" and halves.is_stated:
            _log.warning("%s, which is therefore not measured", words)
        else:
            remedy = "add some, or leave the class out" if halves.is_stated else "add some, or give another split_seed"
            raise DatasetError(f"{words}: {remedy}")


def write_split(path: Path, halves: DataSplit, *, compare_halves: bool) -> None:
    """Write the names of both halves and their near-duplicates, and log a warning for each of these. Raises SinkError."""
    values: dict[str, Any] = {
        "training": [case.name for case in halves.training],
        "held_out": [case.name for case in halves.held_out],
        "held_out_subjects": sorted({case.subject for case in halves.held_out}),
    }
    found = find_near_duplicates(halves.held_out, halves.training) if compare_halves else ()
    twins = [(case.name, other.name) for case, other in found]
    write_or_refuse(path, json_text({**values, "twins": twins}, indent=1).encode())
    for name, other in twins:
        _log.warning("held-out %s shows the same view as %s: hold out both or neither, or its score is a lie", name, other)


def _lacking(cases: Cases, classes: Sequence[str]) -> tuple[str, ...]:
    """Return the classes that no picture shows. Raises DatasetError for a mask that does not fit its picture."""
    missing = set(range(1, len(classes) + 1))
    for labels in _labels(cases, classes):
        missing -= set(np.unique(labels).tolist())
    return tuple(classes[label - 1] for label in sorted(missing))


def _labels(cases: Cases, classes: Sequence[str]) -> Iterator[Any]:
    return (case.image_and_labels(classes)[1] for case in cases)


def _shuffled(groups: list[Cases], seed: int) -> list[Cases]:
    ordered = sorted(groups, key=lambda group: group[0].name)
    return [ordered[place] for place in np.random.default_rng(seed).permutation(len(ordered))]


def _joined(groups: Sequence[Cases]) -> Cases:
    return tuple(case for group in groups for case in group)
