"""Apply anatomical knowledge that the network lacks: clean the mask of a class, keep one region of it, or fit an ellipse."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg import kernels
from rtseg.engines.base import Array, ModelSpec
from rtseg.engines.class_postprocess import ClassPostprocess
from rtseg.errors import ConfigError, UnknownClass
from rtseg.frame import Labels
from rtseg.kernels.network.fit import Fit
from rtseg.kernels.network.logits import finite_logits
from rtseg.measure.ellipse import fill_ellipse

WEAK, STRONG = 1.0, 2.0  # how many of the two thresholds of a hysteresis a pixel exceeds


@dataclass(frozen=True, slots=True)
class NetworkOutput:
    """Holds the output of a network for one frame."""

    logits: Array
    """(1, K, h, w) float32, on the engine's device."""
    fit: Fit
    """The box of the frame, and its place in the network's input."""
    download: Callable[[Array], npt.NDArray[Any]]
    """Copies an array to the host; called only where a class has a hysteresis."""


def apply_anatomy(
    labels: Labels,
    spec: ModelSpec,
    output: NetworkOutput | None = None,
    postprocess: Sequence[ClassPostprocess] | None = None,
) -> Labels:
    """Clean the classes with a `postprocess`, reduce the `single` ones to one region, and make the `ellipse` ones ellipses.

    labels: (H, W) uint8, i + 1 for classes[i]; changed in place and returned. output: what the labels are made of, for the
    hysteresis. postprocess: replaces the spec's own. Raises UnknownClass, ConfigError.
    """
    clean_classes(labels, spec.classes, spec.postprocess if postprocess is None else postprocess, output)
    return fit_ellipses(keep_largest_regions(labels, spec.classes, spec.single), spec.classes, spec.ellipse)


def clean_classes(
    labels: Labels, classes: tuple[str, ...], postprocess: Iterable[ClassPostprocess], output: NetworkOutput | None = None
) -> Labels:
    """Clean the mask of each class in `postprocess`, by its steps in order; other classes are not overwritten.

    labels: (H, W) uint8, i + 1 for classes[i]; changed in place and returned. Raises UnknownClass, and ConfigError where a
    hysteresis lacks the network's output.
    """
    for chosen in postprocess:
        label = _label(chosen.name, classes)
        mask = np.equal(labels, label).view(np.uint8)
        if chosen.hysteresis:
            mask = hysteresis_mask(label, chosen.hysteresis, (labels.shape[0], labels.shape[1]), output)
        if chosen.open:
            mask = kernels.opening(mask, chosen.open)
        if chosen.close:
            mask = _closed(mask, chosen.close)
        if chosen.fill_holes:
            mask = kernels.fill_holes(mask)
        _redraw(labels, label, mask)
        if chosen.min_area > 1:  # last, on what is drawn: a step before may have reached into another class
            _redraw(labels, label, kernels.drop_small(np.equal(labels, label).view(np.uint8), chosen.min_area))
        if chosen.regions:
            _redraw(labels, label, _largest_regions(np.equal(labels, label).view(np.uint8), chosen.regions))
    return labels


def _largest_regions(mask: Labels, count: int) -> Labels:
    """Return the `count` largest 8-connected regions of a mask (H, W) uint8, 0 or 1; all where there are fewer."""
    kept = np.zeros_like(mask)
    for _ in range(count):
        kept |= kernels.keep_largest(mask - kept, [1])
    return kept


def check_classes(postprocess: Sequence[ClassPostprocess], classes: tuple[str, ...]) -> Sequence[ClassPostprocess]:
    """Return the post-processing of classes, after a check that the model has these classes. Raises UnknownClass."""
    for chosen in postprocess:
        _label(chosen.name, classes)
    return postprocess


def hysteresis_mask(label: int, limits: tuple[float, float], shape: tuple[int, int], output: NetworkOutput | None) -> Labels:
    """Return where a class exceeds the lower of two probabilities, in 8-connected regions that exceed the upper one.

    Both are decided at the pixels of the frame: the logit of the class is interpolated between the network's outputs, as by
    `kernels.argmax_labels`. The result is (H, W) uint8, 0 or 1. Raises ConfigError without the network's output.
    """
    if output is None:
        raise ConfigError("a hysteresis works on the network's probabilities: give apply_anatomy the network's output too")
    margin = _class_logit(np.asarray(output.download(output.logits), np.float32), label)
    low, high = (kernels.argmax_labels(margin, output.fit, shape, threshold=limit) for limit in limits)
    return kernels.hysteresis((low + high).astype(np.float32), WEAK, STRONG)


def _class_logit(logits: npt.NDArray[np.float32], label: int) -> npt.NDArray[np.float32]:
    """Return the logit of one class's probability, (1, 1, h, w): ln p - ln (1 - p) of a softmax, or that of a sigmoid."""
    if logits.shape[1] == 1:
        return logits
    finite = finite_logits(logits).astype(np.float64)
    others = np.delete(finite, label, 1)
    greatest = others.max(1, keepdims=True)
    rest = greatest + np.log(np.exp(others - greatest).sum(1, keepdims=True))
    return np.asarray(finite[:, label : label + 1] - rest, np.float32)


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
        _redraw(labels, label, fill_ellipse(np.equal(labels, label)))
    return labels


def _closed(mask: Labels, radius: int) -> Labels:
    """Close a mask with background around the frame: a gap to the frame's edge stays, as does one to the sector's."""
    padded = kernels.closing(np.pad(mask, radius), radius)
    return padded[radius:-radius, radius:-radius]


def _redraw(labels: Labels, label: int, mask: npt.NDArray[np.bool_] | Labels) -> None:
    """Replace a class by a mask, in place: the class stays only inside it, and takes the background inside it."""
    inside = mask.astype(bool, copy=False)
    labels[(labels == label) & ~inside] = 0
    labels[(labels == 0) & inside] = label


def _label(name: str, classes: tuple[str, ...]) -> int:
    if name not in classes:
        raise UnknownClass(f"no class {name!r} to shape: the model has {', '.join(classes)}")
    return classes.index(name) + 1
