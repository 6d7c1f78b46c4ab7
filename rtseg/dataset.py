"""A folder of images and their masks, read as cases that know their subject and their place in time."""

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np

from rtseg.errors import DatasetError
from rtseg.frame import Image, Labels, Spacing

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
MEASUREMENTS = "measurements.csv"  # columns: name, pixel_size_mm, head_circumference_mm

_SCAN_FRAME = re.compile(r"(?P<subject>scan\d+)_frame(?P<order>\d+)")  # a frame of a scan
_EXAM_HC = re.compile(r"(?P<subject>\d+)_(?P<order>\d*)HC")  # HC18: the exam, and which of its images


@dataclass(frozen=True, slots=True)
class Case:
    """One image and its mask.

    subject: who or what was scanned: never split it over training and test. order: the place in the subject's time.
    spacing_mm: millimetres a pixel (down, along), None where unknown. head_circumference_mm: the expert's, where measured.
    """

    name: str
    subject: str
    order: int
    image_path: Path
    mask_path: Path
    spacing_mm: Spacing | None = None
    head_circumference_mm: float | None = None

    def image(self) -> Image:
        """(H, W) grey or (H, W, 3) RGB, uint8. Raises DatasetError."""
        pixels = _read(self.image_path)
        return pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)

    def grey(self) -> Image:
        """(H, W) uint8, colour by its BT.601 luma. Raises DatasetError."""
        pixels = _read(self.image_path)
        return pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)

    def labels(self, n_classes: int) -> Labels:
        """(H, W) uint8: 0 background, i + 1 the i-th class. Raises DatasetError."""
        mask = _read(self.mask_path)
        values = _class_values(mask if mask.ndim == 2 else mask[..., 0])
        if values.max() > n_classes:
            raise DatasetError(
                f"{self.mask_path} holds the value {values.max()}, and there are {n_classes} classes: list them all"
            )
        return values

    def image_and_labels(self, n_classes: int) -> tuple[Image, Labels]:
        """Both, checked to be of one size. Raises DatasetError."""
        image, labels = self.image(), self.labels(n_classes)
        if image.shape[:2] != labels.shape:
            raise DatasetError(
                f"{self.image_path} is {image.shape[:2]} and its mask {labels.shape}: draw the mask on the image"
            )
        return image, labels


def open_dataset(folder: Path | str) -> tuple[Case, ...]:
    """The cases of FOLDER/images and FOLDER/masks, paired by stem, ordered by subject and time. Raises DatasetError."""
    folder = Path(folder)
    images, masks = _files(folder, "images"), _files(folder, "masks")
    unpaired = sorted(images.keys() ^ masks.keys())
    if unpaired:
        raise DatasetError(
            f"{len(unpaired)} of {folder} lack their image or their mask, {unpaired[0]!r} first: add or remove them"
        )
    rows = _measurements(folder / MEASUREMENTS)
    cases = (_case(images[stem], masks[stem], rows.get(stem, {})) for stem in images)
    return tuple(sorted(cases, key=lambda case: (case.subject, case.order, case.name)))


def scans(cases: Iterable[Case]) -> dict[str, tuple[Case, ...]]:
    """The cases of each subject, in the order of time."""
    ordered = sorted(cases, key=lambda case: (case.subject, case.order, case.name))
    return {subject: tuple(group) for subject, group in groupby(ordered, key=lambda case: case.subject)}


def split(cases: Iterable[Case], held_out: Iterable[str]) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
    """The cases of all other subjects, and those of the held-out ones. Raises DatasetError."""
    by_subject, wanted = scans(cases), set(held_out)
    unknown = sorted(wanted - by_subject.keys())
    if unknown:
        raise DatasetError(f"no subject {unknown[0]!r} to hold out: there are {', '.join(list(by_subject)[:12])} ...")
    training = tuple(case for subject, group in by_subject.items() if subject not in wanted for case in group)
    if not training:
        raise DatasetError("every subject is held out: leave some to train on")
    return training, tuple(case for subject in sorted(wanted) for case in by_subject[subject])


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
    found = _SCAN_FRAME.fullmatch(image.stem) or _EXAM_HC.fullmatch(image.stem)
    subject, order = (found["subject"], int(found["order"] or 1)) if found else (image.stem, 0)
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


def _read(path: Path) -> Image:
    """The pixels of a file, grey or BGR. Raises DatasetError."""
    pixels = cv2.imdecode(_bytes(path), cv2.IMREAD_ANYCOLOR) if path.exists() else None
    if pixels is None:
        raise DatasetError(f"{path} cannot be read as a picture: replace or remove it with its partner")
    return pixels.astype(np.uint8, copy=False)


def _bytes(path: Path) -> Image:
    data = np.fromfile(path, np.uint8)
    return data if data.size else np.zeros(1, np.uint8)  # OpenCV raises on nothing, and gives None on rubbish


def _class_values(mask: Labels) -> Labels:
    """A mask drawn as 0 and 255 is 0 and 1; any other holds its classes' numbers."""
    return (mask == 255).astype(np.uint8) if not np.any((mask > 0) & (mask < 255)) else mask
