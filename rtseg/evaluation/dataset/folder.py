"""Reads the plain layout: FOLDER/images and FOLDER/masks, paired by stem, with an optional measurements.csv.

Pictures of one subject are named SUBJECT_frameNNN for any SUBJECT (scan07_frame00120, patient3_4CH_frame5), or as in HC18
(010_HC, 010_2HC). Any other picture is its own subject: it may be held out while similar pictures are trained on.
"""

import csv
import math
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any
from unicodedata import normalize

from rtseg.errors import DatasetError, described
from rtseg.evaluation.dataset.case import Case

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
MEASUREMENTS = "measurements.csv"

_NAME, _PIXEL, _HC = "name", "pixel_size_mm", "head_circumference_mm"  # columns; the last is optional
_COLUMNS = f"its columns are {_NAME}, {_PIXEL} and, where measured, {_HC}"
_SUBJECT_FRAME = re.compile(r"(?P<subject>.+)_frame(?P<order>\d+)", re.IGNORECASE)
_EXAM_HC = re.compile(r"(?P<subject>\d+)_(?P<order>\d*)HC")  # HC18: exam, and number of the image in it


def cases(folder: Path) -> Iterator[Case]:
    """Return an iterator over the images with their masks. Raises DatasetError."""
    images, masks = _files(folder, "images"), _files(folder, "masks")
    unpaired = sorted(images.keys() ^ masks.keys())
    if unpaired:
        raise DatasetError(
            f"{len(unpaired)} of {folder} lack their image or their mask, {unpaired[0]!r} first: add or remove them"
        )
    rows = _measurements(folder / MEASUREMENTS, images.keys())
    return (_case(stem, images[stem], masks[stem], rows.get(stem, {})) for stem in images)


def subject_and_order(stem: str) -> tuple[str, int]:
    """Parse the subject and the order in time from a file's stem; an unknown name is its own subject."""
    found = _SUBJECT_FRAME.fullmatch(stem) or _EXAM_HC.fullmatch(stem)
    return (found["subject"], int(found["order"] or 1)) if found else (stem, 0)


def _files(folder: Path, kind: str) -> dict[str, Path]:
    """Return the pictures of a subfolder by stem. Raises DatasetError."""
    if not (folder / kind).is_dir():
        raise DatasetError(f"{folder} has no folder {kind!r}: lay it out as images/NAME.jpg and masks/NAME.png")
    paths = sorted(path for path in (folder / kind).iterdir() if _is_picture(path))
    if not paths:
        raise DatasetError(f"{folder / kind} holds no picture: put {', '.join(SUFFIXES)} files there")
    by_stem = {_stem(path): path for path in paths}
    if len(by_stem) < len(paths):
        twice = next(path for path in paths if by_stem[_stem(path)] != path)
        raise DatasetError(f"two files of {folder / kind} are named {_stem(twice)!r}: keep one of them")
    return by_stem


def _is_picture(path: Path) -> bool:
    """Return True for a visible picture file; macOS leaves hidden copies beside the originals."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def _stem(path: Path) -> str:
    """Return a picture's name without suffix in Unicode NFC, because file systems encode accents differently."""
    return normalize("NFC", path.stem if path.suffix.lower() in SUFFIXES else path.name)


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
            return [(_stem(Path(row[_NAME])), _numbers(row)) for row in csv.DictReader(file)]
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
