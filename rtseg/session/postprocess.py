"""Apply anatomical knowledge that the network lacks: a class is one region, or an ellipse."""

from collections.abc import Iterable

import numpy as np

from rtseg import kernels
from rtseg.engines.base import ModelSpec
from rtseg.errors import UnknownClass
from rtseg.frame import Labels
from rtseg.measure.ellipse import fill_ellipse


def apply_anatomy(labels: Labels, spec: ModelSpec) -> Labels:
    """Reduce the `single` classes of a model to one region, and make its `ellipse` classes ellipses.

    labels: (H, W) uint8, i + 1 for classes[i]; changed in place and returned.
    """
    return fit_ellipses(keep_largest_regions(labels, spec.classes, spec.single), spec.classes, spec.ellipse)


def keep_largest_regions(labels: Labels, classes: tuple[str, ...], single: Iterable[str]) -> Labels:
    """Keep the largest 8-connected region of each class in `single`; the rest becomes background.

    labels: (H, W) uint8, i + 1 for classes[i]; changed in place and returned. Among equally large regions the first one in
    row order stays. Raises UnknownClass.
    """
    chosen = [_label(name, classes) for name in single]
    return kernels.keep_largest(labels, chosen, out=labels) if chosen else labels


def fit_ellipses(labels: Labels, classes: tuple[str, ...], ellipse: Iterable[str]) -> Labels:
    """Replace each class in `ellipse` by the ellipse with its moments; other classes are not overwritten.

    labels: (H, W) uint8, i + 1 for classes[i]; changed in place and returned. Raises UnknownClass.
    """
    for name in ellipse:
        label = _label(name, classes)
        mask = np.equal(labels, label)
        filled = fill_ellipse(mask)
        labels[mask & ~filled] = 0
        labels[filled & (labels == 0)] = label
    return labels


def _label(name: str, classes: tuple[str, ...]) -> int:
    if name not in classes:
        raise UnknownClass(f"no class {name!r} to shape: the model has {', '.join(classes)}")
    return classes.index(name) + 1
