"""The options that select the subjects and images of a dataset."""

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from rtseg.errors import DatasetError, described

if TYPE_CHECKING:
    from rtseg.evaluation.dataset import Case

SplitOption: TypeAlias = Annotated[Path | None, typer.Option("--split", help="The split.json that `rtseg train` wrote.")]
SubjectsOption: TypeAlias = Annotated[str, typer.Option("--subjects", help="Use only these subjects, as in scan00,scan01.")]


def select_cases(cases: "Sequence[Case]", part: str, split: Path | None, subjects: str) -> "tuple[Case, ...]":
    """Return the cases that are in `part` ("training" or "held_out") of the split, and whose subjects are named.

    Without a split or subjects, that condition is left out. Raises DatasetError if no case remains or a name is unknown.
    """
    found = cases_of_subjects(cases, {name.strip() for name in subjects.split(",")}) if subjects else tuple(cases)
    if split:
        names = _split_names(split, part)
        absent = sorted(names - {case.name for case in cases})
        if absent:
            raise DatasetError(
                f"{len(absent)} images of {split} are not in the folder, {absent[0]} first: name the folder it is of"
            )
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


def _split_names(split: Path, part: str) -> set[str]:
    try:
        names = json.loads(split.read_text(encoding="utf-8"))[part]
        return {str(name) for name in names}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{split} is no split ({described(error)}): name the split.json that `rtseg train` wrote") from None
