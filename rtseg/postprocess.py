"""What is known of the anatomy and the network does not know: that a class is one region, or an ellipse."""

from collections.abc import Iterable

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.ellipse import elliptic
from rtseg.engines.base import ModelSpec
from rtseg.errors import UnknownClass
from rtseg.frame import Labels, Mask
from rtseg.measure import bounding_box


def anatomical(labels: Labels, spec: ModelSpec) -> Labels:
    """Labels (H, W) uint8 as the spec's `single` and `ellipse` classes can be; changed in place and returned."""
    return draw_ellipses(keep_single(labels, spec.classes, spec.single), spec.classes, spec.ellipse)


def keep_single(labels: Labels, classes: tuple[str, ...], single: Iterable[str]) -> Labels:
    """Leave of each class in `single` its largest 8-connected region alone; the rest becomes background.

    labels: (H, W) uint8, i + 1 for classes[i]; it is changed in place and returned. Of equally large regions the one that
    is met first, row by row, stays. Raises UnknownClass.
    """
    for name in single:
        _keep_largest(labels, _label(name, classes))
    return labels


def draw_ellipses(labels: Labels, classes: tuple[str, ...], ellipse: Iterable[str]) -> Labels:
    """Give each class in `ellipse` the region of its ellipse, as far as no other class lies there.

    labels: (H, W) uint8, i + 1 for classes[i]; it is changed in place and returned. Raises UnknownClass.
    """
    for name in ellipse:
        label = _label(name, classes)
        mask = np.equal(labels, label)
        filled = elliptic(mask)
        labels[mask & ~filled] = 0
        labels[filled & (labels == 0)] = label
    return labels


def _label(name: str, classes: tuple[str, ...]) -> int:
    if name not in classes:
        raise UnknownClass(f"no class {name!r} to shape: the model has {', '.join(classes)}")
    return classes.index(name) + 1


def _keep_largest(labels: Labels, label: int) -> None:
    box = bounding_box(labels)  # of all classes: what lies around it is not looked at again
    if box is None:
        return
    top, left, height, width = box
    inside = labels[top : top + height, left : left + width]
    mask = np.equal(inside, label).view(np.uint8)
    if _regions(mask) > 1:
        inside[_lesser_regions(mask)] = 0


def _regions(mask: npt.NDArray[np.uint8]) -> int:
    """How many 8-connected regions there are: following borders takes a tenth of the time of labelling every pixel."""
    _, hierarchy = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    parents = hierarchy[0, :, 3] if hierarchy is not None else np.zeros(0)
    return int(np.count_nonzero(parents < 0))  # a border with a parent is a hole's


def _lesser_regions(mask: npt.NDArray[np.uint8]) -> Mask:
    """Where every region but the largest lies."""
    _, regions, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8, ltype=cv2.CV_32S)
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    lesser: Mask = (regions != 0) & (regions != largest)
    return lesser
