"""Makes training pictures without any class: parts of a picture beside its classes, and pictures of another anatomy."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rtseg.evaluation.dataset import Case, open_dataset
from rtseg.train.augment import Rng
from rtseg.train.still_image import StillImage, load_empty_still

_MARGIN = 6  # pixels kept free between a class and a crop without it
_LEAST_SIDE = 80  # pixels of a still
_PICTURES = 60  # of each folder at most


def crop_without_classes(one: StillImage, rng: Rng) -> StillImage | None:
    """Return a random crop of a still that shows no class, or None where no side of the classes leaves room for one."""
    height, width = one.image.shape
    rows, columns = (np.flatnonzero((one.truth > 0).any((0, axis))) for axis in (2, 1))
    if not rows.size:
        return one
    top, bottom, left, right = rows[0] - _MARGIN, rows[-1] + 1 + _MARGIN, columns[0] - _MARGIN, columns[-1] + 1 + _MARGIN
    boxes = [(0, top, 0, width), (bottom, height, 0, width), (0, height, 0, left), (0, height, right, width)]
    boxes = [box for box in boxes if min(box[1] - box[0], box[3] - box[2]) >= _LEAST_SIDE]
    if not boxes:
        return None
    first, last, start, stop = boxes[int(rng.integers(len(boxes)))]
    rows_kept, columns_kept = _part(first, last, rng), _part(start, stop, rng)
    return StillImage(one.subject, one.image[rows_kept, columns_kept], one.truth[:, rows_kept, columns_kept])


def _part(first: int, last: int, rng: Rng) -> slice:
    """Return a random part of a range, of at least `_LEAST_SIDE` pixels."""
    length = int(rng.integers(min(_LEAST_SIDE, last - first), last - first + 1))
    start = int(rng.integers(first, last - length + 1))
    return slice(start, start + length)


def other_anatomies(folders: Sequence[str], n_classes: int, long_side: int) -> list[StillImage]:
    """Return pictures of other anatomies with an empty truth. Raises DatasetError.

    Of each folder every second subject, in the order of their names, stays out: it tests what was learned. At most
    `_PICTURES` pictures of the others are taken.
    """
    return [still for folder in folders for still in _empty_stills(folder, n_classes, long_side)]


def _empty_stills(folder: str, n_classes: int, long_side: int) -> list[StillImage]:
    return [load_empty_still(case, n_classes, long_side) for case in _cases(folder, 0, _PICTURES)]


def unseen_cases(folder: str, most: int) -> list[Case]:
    """Return up to `most` pictures of the subjects that `other_anatomies` leaves out. Raises DatasetError."""
    return _cases(folder, 1, most)


def _cases(folder: str, first: int, most: int) -> list[Case]:
    """Return up to `most` pictures of every second subject from the place `first` on, spread evenly."""
    cases = open_dataset(Path(folder))
    taken = set(sorted({case.subject for case in cases})[first::2])
    chosen = [case for case in cases if case.subject in taken]
    return chosen[:: max(1, math.ceil(len(chosen) / most))]
