"""The options that select the subjects and images of a dataset."""

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from rtseg.errors import ConfigError, DatasetError, described

if TYPE_CHECKING:
    from rtseg.evaluation.dataset import Case

SplitOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--held-out", "--split", help="The .toml of a training, or the split.json that it wrote."),
]
SubjectsOption: TypeAlias = Annotated[str, typer.Option("--subjects", help="Use only these subjects, as in scan00,scan01.")]


def select_cases(cases: "Sequence[Case]", part: str, split: Path | None, subjects: str) -> "tuple[Case, ...]":
    """Return the cases that are in `part` ("training" or "held_out") of the split, and whose subjects are named.

    Without a split or subjects, that condition is left out. Raises DatasetError if no case remains or a name is unknown.
    """
    found = cases_of_subjects(cases, {name.strip() for name in subjects.split(",")}) if subjects else tuple(cases)
    if split:
        names = {case.name for case in split_cases(cases, part, split)}
        found = tuple(case for case in found if case.name in names)
    if not found:
        raise DatasetError(f"none of the {len(cases)} images is chosen: let --split, --subjects and the folder fit together")
    return found


def cases_of_subjects(cases: "Sequence[Case]", names: Collection[str]) -> "tuple[Case, ...]":
    """Return the cases of these subjects. Raises DatasetError if one of them has no case."""
    known = {case.subject for case in cases}
    unknown = sorted(set(names) - known)
    if unknown:
        raise DatasetError(f"no subject {unknown[0]!r}: there are {', '.join(sorted(known)[:12])}")
    return tuple(case for case in cases if case.subject in names)


def split_cases(cases: "Sequence[Case]", part: str, split: Path) -> "tuple[Case, ...]":
    """Return the cases in `part` ("training" or "held_out") of a training's .toml or of the split.json that it wrote.

    Raises DatasetError, ConfigError, MissingExtra.
    """
    if split.suffix == ".toml":
        held_out = cases_of_subjects(cases, _held_out_subjects(split))
        subjects = {case.subject for case in held_out}
        return held_out if part == "held_out" else tuple(case for case in cases if case.subject not in subjects)
    names = _split_names(split, part)
    absent = sorted(names - {case.name for case in cases})
    if absent:
        raise DatasetError(
            f"{len(absent)} images of {split} are not in the folder, {absent[0]} first: name the folder it is of"
        )
    return tuple(case for case in cases if case.name in names)


def _held_out_subjects(config: Path) -> tuple[str, ...]:
    """Return the subjects that a training's .toml names as held out. Raises ConfigError, MissingExtra."""
    from rtseg.train.config import read_config

    data = read_config(config).data
    if data.held_out_share:
        raise ConfigError(f"{config} lets its training hold subjects out: name the split.json in the training's folder")
    if not data.held_out:
        raise ConfigError(f"{config} holds nobody out: its training saw all; name the .toml of one that did not")
    return data.held_out


def _split_names(split: Path, part: str) -> set[str]:
    try:
        names = json.loads(split.read_text(encoding="utf-8"))[part]
        return {str(name) for name in names}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{split} is no split ({described(error)}): name the split.json that `rtseg train` wrote") from None
