"""The plain layout: FOLDER/images and FOLDER/masks, paired by stem, with or without measurements.csv."""

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from rtseg.dataset.case import Case
from rtseg.errors import DatasetError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
MEASUREMENTS = "measurements.csv"  # columns: name, pixel_size_mm, head_circumference_mm

_SCAN_FRAME = re.compile(r"(?P<subject>scan\d+)_frame(?P<order>\d+)")  # a frame of a scan
_EXAM_HC = re.compile(r"(?P<subject>\d+)_(?P<order>\d*)HC")  # HC18: the exam, and which of its images


def cases(folder: Path) -> Iterator[Case]:
    """Each image with its mask. Raises DatasetError."""
    images, masks = _files(folder, "images"), _files(folder, "masks")
    unpaired = sorted(images.keys() ^ masks.keys())
    if unpaired:
        raise DatasetError(
            f"{len(unpaired)} of {folder} lack their image or their mask, {unpaired[0]!r} first: add or remove them"
        )
    rows = _measurements(folder / MEASUREMENTS)
    return (_case(images[stem], masks[stem], rows.get(stem, {})) for stem in images)


def subject_and_order(stem: str) -> tuple[str, int]:
    """Who was scanned, and when, as far as a file's name tells."""
    found = _SCAN_FRAME.fullmatch(stem) or _EXAM_HC.fullmatch(stem)
    return (found["subject"], int(found["order"] or 1)) if found else (stem, 0)


def _files(folder: Path, kind: str) -> dict[str, Path]:
    """The pictures of a subfolder by stem."""
    if not (folder / kind).is_dir():
        raise DatasetError(f"{folder} has no folder {kind!r}: lay it out as images/NAME.jpg and masks/NAME.png")
    paths = sorted(path for path in (folder / kind).iterdir() if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise DatasetError(f"{folder / kind} holds no picture: put {', '.join(SUFFIXES)} files there")
    by_stem = {path.stem: path for path in paths}
    if len(by_stem) < len(paths):
        twice = next(path for path in paths if by_stem[path.stem] != path)
        raise DatasetError(f"two files of {folder / kind} are named {twice.stem!r}: keep one of them")
    return by_stem


def _case(image: Path, mask: Path, row: Mapping[str, float]) -> Case:
    """A case, its subject and time read from its stem, its spacing from its row of measurements."""
    subject, order = subject_and_order(image.stem)
    pixel_mm = row.get("pixel_size_mm")
    spacing_mm = (pixel_mm, pixel_mm) if pixel_mm else None
    return Case(image.stem, subject, order, image, mask, spacing_mm, row.get("head_circumference_mm"))


def _measurements(path: Path) -> dict[str, dict[str, float]]:
    """The rows of a measurements file by name; none where there is no file. Raises DatasetError."""
    if not path.exists():
        return {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return {row.pop("name"): {key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(
            f"{path} cannot be read ({error!r}): its columns are name, pixel_size_mm, ... and hold numbers"
        ) from None
