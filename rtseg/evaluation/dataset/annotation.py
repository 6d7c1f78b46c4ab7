"""Defines annotations: where the truth of a picture comes from when it is not one mask file of label values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np

from rtseg.errors import DatasetError
from rtseg.evaluation.dataset.mask_file import read_mask
from rtseg.evaluation.dataset.mask_values import check_whole_numbers, to_labels
from rtseg.frame import Labels, Mask

Classes: TypeAlias = int | Sequence[str]  # the names of the classes without the background, or only their number

_IGNORE = "ignore"  # nnU-Net's name of pixels without a truth


class Annotation(Protocol):
    """Describes the truth of one picture."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of all labels in the dataset; empty where labels have no names."""

    def labels(self, classes: Classes) -> Labels:
        """Return the labels (H, W) uint8: 0 is the background, i + 1 the i-th class. Raises DatasetError."""


@dataclass(frozen=True, slots=True)
class MaskUnion:
    """Holds several mask files of one picture, of which a pixel of any counts as the only class."""

    paths: tuple[Path, ...]
    names: tuple[str, ...] = ()

    def labels(self, classes: Classes) -> Labels:
        """Return 1 where any of the masks is set. Raises DatasetError for several classes, or masks of several sizes."""
        if count_of(classes) != 1:
            raise DatasetError(
                f"{self.paths[0]} is one of {len(self.paths)} masks of a picture, which are joined, and there are "
                f"{count_of(classes)} classes: save one mask with the labels 0..{count_of(classes)}"
            )
        masks = [to_labels(check_whole_numbers(read_mask(path, 0), path), 1, path) for path in self.paths]
        if len({mask.shape for mask in masks}) > 1:
            raise DatasetError(f"{self.paths[0]} and the other masks of its picture differ in size: draw all on the picture")
        return np.asarray(np.maximum.reduce(masks), np.uint8)


@dataclass(frozen=True, slots=True)
class NamedMask:
    """Holds a mask file whose values have names elsewhere, as in nnU-Net's dataset.json."""

    path: Path
    frame: int  # index in files that contain several
    values: Mapping[int, str]  # the name of each value, without the background
    names: tuple[str, ...]

    def labels(self, classes: Classes) -> Labels:
        """Return the labels of the classes by name. Raises DatasetError for a value without a name."""
        stored = check_whole_numbers(read_mask(self.path, self.frame), self.path)
        places, found = class_places(self.names, classes, self.path), np.zeros(stored.shape, np.uint8)
        for value in np.unique(stored):
            name = self.values.get(int(value))
            if value and (name is None or name == _IGNORE):
                raise DatasetError(f"{self.path} holds the value {value}, which is no class of dataset.json: mend either")
            if name in places:
                found[stored == value] = places[name]
        return found


class AnnotatedRegion(Protocol):
    """Describes a drawn region of a class."""

    @property
    def name(self) -> str:
        """Return the name of its label; empty where labels have no names."""

    def mask(self, size: tuple[int, int]) -> Mask:
        """Return its pixels in a picture of (H, W). Raises DatasetError."""


@dataclass(frozen=True, slots=True)
class DrawnRegions:
    """Holds the regions that an annotation file draws on a picture; a later one lies over earlier ones."""

    source: Path
    size: tuple[int, int]  # (H, W) of the picture
    regions: tuple[AnnotatedRegion, ...]
    names: tuple[str, ...]

    def labels(self, classes: Classes) -> Labels:
        """Return the labels of the regions by name. Raises DatasetError."""
        found = np.zeros(self.size, np.uint8)
        if not self.names and count_of(classes) != 1:
            raise DatasetError(f"{self.source} draws regions of one class without a name: train or measure one class with it")
        places = class_places(self.names, classes, self.source) if self.names else {"": 1}
        for region in self.regions:
            if region.name in places:
                found[region.mask(self.size)] = places[region.name]
        return found


def count_of(classes: Classes) -> int:
    """Return the number of classes."""
    return classes if isinstance(classes, int) else len(classes)


def class_places(names: Sequence[str], classes: Classes, source: Path) -> dict[str, int]:
    """Return the label 1.. of each name in a dataset that is a class, whatever its case; one name stands for one class.

    Raises DatasetError where the names cannot be those of the classes.
    """
    if isinstance(classes, int):
        if classes == 1 and len(names) == 1:
            return {names[0]: 1}
        raise DatasetError(f"{source} names its labels {', '.join(names)}: give the classes by name")
    wanted = {name.strip().casefold(): place for place, name in enumerate(classes, start=1)}
    found = {name: wanted[name.strip().casefold()] for name in names if name.strip().casefold() in wanted}
    if not found and len(names) == len(wanted) == 1:
        return {names[0]: 1}
    if names and not found:
        raise DatasetError(
            f"{source} has the labels {', '.join(names)}, and the classes are {', '.join(classes)}: name both alike"
        )
    return found
