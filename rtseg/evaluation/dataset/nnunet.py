"""Reads nnU-Net's raw data: imagesTr/CASE_0000.png or .nii.gz, labelsTr/CASE.png or .nii.gz, and dataset.json.

F. Isensee et al., "nnU-Net", Nature Methods 18, 2021. The names of the labels are those of dataset.json.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rtseg.errors import DatasetError, described
from rtseg.evaluation.dataset.annotation import NamedMask
from rtseg.evaluation.dataset.case import Case
from rtseg.evaluation.dataset.left_out import NO_MASK, NO_PICTURE, OTHER_SIZE, LeftOut
from rtseg.evaluation.dataset.mask_file import NIFTI
from rtseg.evaluation.dataset.picture_files import SUFFIXES, size_of
from rtseg.evaluation.dataset.subject_names import subject_and_order

_IMAGES, _LABELS, _JSON = "imagesTr", "labelsTr", "dataset.json"
_CHANNEL = re.compile(r"(?P<case>.+)_(?P<channel>\d{4})")
_BACKGROUND = "background"


def has_layout(folder: Path) -> bool:
    """Return True if a folder has this layout."""
    return (folder / _IMAGES).is_dir() and (folder / _LABELS).is_dir()


def cases(folder: Path) -> Iterator[Case]:
    """Yield each picture, and each plane of a NIfTI file, with its labels. Raises DatasetError, MissingExtra."""
    values, left_out, found = _label_names(folder / _JSON), LeftOut(folder), list[Case]()
    images, masks = _images(folder / _IMAGES), _files(folder / _LABELS)
    for name in masks.keys() - images.keys():
        left_out.add(NO_PICTURE, f"{_LABELS}/{masks[name].name}")
    for name, image in images.items():
        if name not in masks:
            left_out.add(NO_MASK, f"{_IMAGES}/{image.name}")
        elif not _fits(image, masks[name]):
            left_out.add(OTHER_SIZE, f"{_IMAGES}/{image.name}")
        else:
            found += _frames(name, image, masks[name], values)
    left_out.report(len(found))
    return iter(found)


def _label_names(path: Path) -> dict[int, str]:
    """Return the name of each label value, without the background, in either version's form. Raises DatasetError."""
    remedy = 'it holds "labels", as {"background": 0, "lumen": 1}'
    try:
        labels = json.loads(path.read_text(encoding="utf-8-sig"))["labels"]
        if any(isinstance(value, list) for value in labels.values()):
            raise DatasetError(f"{path} trains regions of several labels: list each label by itself, with one value")
        pairs = [(int(key), value) if isinstance(value, str) else (int(value), key) for key, value in labels.items()]
    except DatasetError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(f"{path} cannot be read ({described(error)}): {remedy}") from None
    named = {value: str(name) for value, name in pairs if value and str(name).casefold() != _BACKGROUND}
    if not named or len({value for value, _ in pairs}) < len(pairs):
        raise DatasetError(f"{path} gives two labels one value, or none: {remedy}")
    return named


def _images(folder: Path) -> dict[str, Path]:
    """Return the pictures by case. Raises DatasetError for several channels."""
    found: dict[str, Path] = {}
    for name, path in _files(folder).items():
        channel = _CHANNEL.fullmatch(name)
        if channel and int(channel["channel"]):
            raise DatasetError(
                f"{path} is a further channel, and rtseg takes one gray or RGB picture a case: join or remove it"
            )
        found[channel["case"] if channel else name] = path
    return found


def _files(folder: Path) -> dict[str, Path]:
    """Return the pictures and NIfTI files of a folder by their names without suffix."""
    found = {}
    for path in sorted(folder.iterdir()):
        ending = next((one for one in (*reversed(NIFTI), *SUFFIXES) if path.name.lower().endswith(one)), "")
        if ending and not path.name.startswith("."):
            found[path.name[: -len(ending)]] = path
    return found


def _fits(image: Path, mask: Path) -> bool:
    if image.name.endswith(NIFTI) or mask.name.endswith(NIFTI):
        from rtseg.evaluation.dataset.nifti import frame_count, plane_size

        sizes = {plane_size(path) if path.name.endswith(NIFTI) else size_of(path) for path in (image, mask)}
        counts = {frame_count(path) if path.name.endswith(NIFTI) else 1 for path in (image, mask)}
        return len(sizes) == len(counts) == 1
    return size_of(image) == size_of(mask)


def _frames(name: str, image: Path, mask: Path, values: Mapping[int, str]) -> Iterator[Case]:
    subject, order = subject_and_order(name)
    count, extra = 1, dict[str, Any]()
    if image.name.endswith(NIFTI):
        from rtseg.evaluation.dataset.nifti import frames_and_spacing

        count, extra["spacing_mm"] = frames_and_spacing(image)
    for frame in range(count):
        annotation = NamedMask(mask, frame, values, tuple(values.values()))
        one = name if count == 1 else f"{name}_{frame}"
        yield Case(one, subject, order + frame, image, mask, frame=frame, annotation=annotation, **extra)
