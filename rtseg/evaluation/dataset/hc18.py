"""Reads HC18 as downloaded: NNN_HC.png, NNN_HC_Annotation.png and a table of pixel sizes and head circumferences.

T. van den Heuvel et al., "Automated measurement of fetal head circumference using 2D ultrasound images", Zenodo 1327317, 2018.
"""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from rtseg.errors import DatasetError, described
from rtseg.evaluation.dataset.case import Case
from rtseg.evaluation.dataset.subject_names import subject_and_order

_ANNOTATION = "_Annotation.png"
_SEEN = "[!.]"  # skips the hidden copies that macOS leaves beside the originals
_TABLE = f"{_SEEN}*pixel_size_and_HC.csv"
_NAME, _PIXEL, _HC = "filename", "pixel size(mm)", "head circumference (mm)"  # columns of the table


def has_layout(folder: Path) -> bool:
    """Return True if a folder has this layout."""
    return next(folder.glob(f"{_SEEN}*{_ANNOTATION}"), None) is not None


def cases(folder: Path) -> Iterator[Case]:
    """Yield each image with the expert's ellipse, and its pixel size in mm if the table exists. Raises DatasetError."""
    table = next((path for place in (folder, folder.parent) for path in sorted(place.glob(_TABLE))), None)
    rows = _rows(table) if table else {}
    for mask in sorted(folder.glob(f"{_SEEN}*{_ANNOTATION}")):
        image = mask.with_name(mask.name.replace(_ANNOTATION, ".png"))
        if not image.exists():
            raise DatasetError(f"{mask} has no {image.name} beside it: copy it there, or remove the annotation")
        yield _case(image, mask, rows.get(image.name, {}))


def _case(image: Path, mask: Path, row: Mapping[str, float]) -> Case:
    subject, order = subject_and_order(image.stem)
    spacing_mm = (row[_PIXEL], row[_PIXEL]) if _PIXEL in row else None
    return Case(image.stem, subject, order, image, mask, spacing_mm, row.get(_HC), outlined=True)


def _rows(path: Path) -> dict[str, dict[str, float]]:
    """Read the numbers of each picture, by file name. Raises DatasetError."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return {row[_NAME]: {key: float(row[key]) for key in (_PIXEL, _HC) if row.get(key)} for row in csv.DictReader(file)}
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise DatasetError(f"{path} cannot be read ({described(error)}): its columns are {_NAME}, {_PIXEL}, {_HC}") from None
