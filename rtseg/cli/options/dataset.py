"""The options by which a command is told whose images it may use."""

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from rtseg.errors import DatasetError, described

if TYPE_CHECKING:
    from rtseg.evaluation.dataset import Case

SplitOption: TypeAlias = Annotated[Path | None, typer.Option("--split", help="The split.json that `rtseg train` wrote.")]
SubjectsOption: TypeAlias = Annotated[str, typer.Option("--subjects", help="Only these, as in scan00,scan01.")]


def chosen(cases: "Sequence[Case]", part: str, split: Path | None, subjects: str) -> "tuple[Case, ...]":
    """The cases that `part` ("training", "held_out") of a split names, of the subjects that are named; else all of them.

    Raises DatasetError.
    """
    found = of_subjects(cases, {name.strip() for name in subjects.split(",")}) if subjects else tuple(cases)
    if split:
        names = _names(split, part)
        absent = sorted(names - {case.name for case in cases})
        if absent:
            raise DatasetError(
                f"{len(absent)} images of {split} are not in the folder, {absent[0]} first: name the folder it is of"
            )
        found = tuple(case for case in found if case.name in names)
    if not found:
        raise DatasetError(f"none of the {len(cases)} images is chosen: let --split, --subjects and the folder fit together")
    return found


def of_subjects(cases: "Sequence[Case]", names: Collection[str]) -> "tuple[Case, ...]":
    """The cases of these subjects. Raises DatasetError where one of them has none."""
    known = {case.subject for case in cases}
    unknown = sorted(set(names) - known)
    if unknown:
        raise DatasetError(f"no subject {unknown[0]!r}: there are {', '.join(sorted(known)[:12])}")
    return tuple(case for case in cases if case.subject in names)


def _names(split: Path, part: str) -> set[str]:
    try:
        names = json.loads(split.read_text(encoding="utf-8"))[part]
        return {str(name) for name in names}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{split} is no split ({described(error)}): name the split.json that `rtseg train` wrote") from None
