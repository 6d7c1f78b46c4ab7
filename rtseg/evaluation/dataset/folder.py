"""Reads the plain layout: FOLDER/images and FOLDER/masks, paired by stem (x with x or x_mask), and measurements.csv.

Pictures of one subject are named SUBJECT_frameNNN for any SUBJECT (scan07_frame00120, patient3_4CH_frame5), or as in HC18
(010_HC, 010_2HC). Any other picture is its own subject: it may be held out while similar pictures are trained on.
"""

import csv
import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from rtseg.errors import DatasetError, described
from rtseg.evaluation.dataset.case import Case
from rtseg.evaluation.dataset.pairs import without_mask_word
from rtseg.evaluation.dataset.picture_files import SUFFIXES, is_picture, stem_of
from rtseg.evaluation.dataset.subject_names import subject_and_order

MEASUREMENTS = "measurements.csv"

_NAME, _PIXEL, _HC = "name", "pixel_size_mm", "head_circumference_mm"  # columns; the last is optional
_COLUMNS = f"its columns are {_NAME}, {_PIXEL} and, where measured, {_HC}"


def cases(folder: Path) -> Iterator[Case]:
    """Return an iterator over the images with their masks. Raises DatasetError."""
    images = _files(folder, "images")
    masks = _by_picture(folder, images.keys())
    unpaired = sorted(images.keys() ^ masks.keys())
    if unpaired:
        raise DatasetError(
            f"{len(unpaired)} of {folder} lack their image or their mask, {unpaired[0]!r} first: add or remove them"
        )
    rows = _measurements(folder / MEASUREMENTS, images.keys())
    return (_case(stem, images[stem], masks[stem], rows.get(stem, {})) for stem in images)


def has_layout(folder: Path) -> bool:
    """Return True if a folder has this layout."""
    return (folder / "images").is_dir() and (folder / "masks").is_dir()


def _by_picture(folder: Path, stems: Collection[str]) -> dict[str, Path]:
    """Return the masks by the stem of their picture, which they may add a word to, as in x_mask. Raises DatasetError."""
    masks = _files(folder, "masks")
    named = {stem: stem if stem in stems else without_mask_word(stem) for stem in masks}
    twice, times = Counter(named.values()).most_common(1)[0]
    if times > 1:
        raise DatasetError(f"{times} masks of {folder} are of {twice!r}: keep one of them, or put them beside the picture")
    return {named[stem]: path for stem, path in masks.items()}


def _files(folder: Path, kind: str) -> dict[str, Path]:
    """Return the pictures of a subfolder by stem. Raises DatasetError."""
    if not (folder / kind).is_dir():
        raise DatasetError(
            f"{folder} has no folder {kind!r}: lay it out as images/NAME.jpg and masks/NAME.png, or as docs/own-data.md shows"
        )
    paths = sorted(path for path in (folder / kind).iterdir() if is_picture(path))
    if not paths:
        raise DatasetError(f"{folder / kind} holds no picture: put {', '.join(SUFFIXES)} files there")
    by_stem = {stem_of(path): path for path in paths}
    if len(by_stem) < len(paths):
        twice = next(path for path in paths if by_stem[stem_of(path)] != path)
        raise DatasetError(f"two files of {folder / kind} are named {stem_of(twice)!r}: keep one of them")
    return by_stem


def _case(stem: str, image: Path, mask: Path, row: Mapping[str, float]) -> Case:
    """Return a case with subject and order from its stem, and spacing from its row of measurements."""
    subject, order = subject_and_order(stem)
    pixel_mm = row.get(_PIXEL)
    spacing_mm = (pixel_mm, pixel_mm) if pixel_mm else None
    return Case(stem, subject, order, image, mask, spacing_mm, row.get(_HC))


def _measurements(path: Path, stems: Collection[str]) -> dict[str, dict[str, float]]:
    """Read the rows of a measurements file by stem; empty without a file. Raises DatasetError."""
    if not path.exists():
        return {}
    rows = _rows(path)
    name, times = next(iter(Counter(name for name, _ in rows).most_common(1)), ("", 0))
    if times > 1:
        raise DatasetError(f"{times} rows of {path} are named {name!r}: keep one of them")
    if not any(name in stems for name, _ in rows):
        raise DatasetError(f"{path} names no picture of images/: {_COLUMNS}, and a name is that of a picture")
    return dict(rows)


def _rows(path: Path) -> list[tuple[str, dict[str, float]]]:
    """Read the stem and the numbers of each row of a table. Raises DatasetError."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return [(stem_of(Path(row[_NAME])), _numbers(row)) for row in csv.DictReader(file)]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise DatasetError(f"{path} cannot be read ({described(error)}): {_COLUMNS}, and hold numbers") from None


def _numbers(row: Mapping[Any, Any]) -> dict[str, float]:
    """Parse the numbers of a row by column; an empty field is unknown. Raises ValueError, KeyError."""
    fields = {_PIXEL: row[_PIXEL], _HC: row.get(_HC)}
    numbers = {column: float(text) for column, text in fields.items() if text}
    if None in row:
        raise ValueError(f"the row of {row[_NAME]} has more fields than there are columns")
    if not all(0 < number < math.inf for number in numbers.values()):
        raise ValueError(f"{numbers} of {row[_NAME]} are not above 0")
    return numbers
