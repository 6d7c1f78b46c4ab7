"""What is known of the anatomy and the network does not know: that a class is one region, or an ellipse."""

from collections.abc import Iterable

import numpy as np

from rtseg import kernels
from rtseg.engines.base import ModelSpec
from rtseg.errors import UnknownClass
from rtseg.frame import Labels
from rtseg.measure.ellipse import elliptic


def anatomical(labels: Labels, spec: ModelSpec) -> Labels:
    """Labels (H, W) uint8 as the spec's `single` and `ellipse` classes can be; changed in place and returned."""
    return draw_ellipses(keep_single(labels, spec.classes, spec.single), spec.classes, spec.ellipse)


def keep_single(labels: Labels, classes: tuple[str, ...], single: Iterable[str]) -> Labels:
    """Leave of each class in `single` its largest 8-connected region alone; the rest becomes background.

    labels: (H, W) uint8, i + 1 for classes[i]; it is changed in place and returned. Of equally large regions the one that
    is met first, row by row, stays. Raises UnknownClass.
    """
    chosen = [_label(name, classes) for name in single]
    return kernels.keep_largest(labels, chosen, out=labels) if chosen else labels


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
