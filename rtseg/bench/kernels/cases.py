"""Pairs each kernel with an alternative implementation on the same picture."""

from collections.abc import Iterator

import cv2
import numpy as np

from rtseg.bench.kernels.filters import against_numpy, against_opencv
from rtseg.bench.kernels.paired_timing import Contest
from rtseg.bench.kernels.versus_opencv import against_chains
from rtseg.frame import Labels
from rtseg.kernels.runtime import cases

LARGEST_IN_NUMPY = 720 * 1280  # pixels: on larger pictures the NumPy definitions take many seconds a call


def contests(shape: tuple[int, int]) -> Iterator[Contest]:
    """Yield the comparisons of all kernels on a picture of (H, W)."""
    grey = cases.speckle(shape)
    rgb = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
    labels = _labels(shape)
    yield from against_chains(grey, np.asarray(rgb), labels)
    yield from against_opencv(grey)
    if grey.size <= LARGEST_IN_NUMPY:
        yield from against_numpy(grey)


def _labels(shape: tuple[int, int]) -> Labels:
    """Return labels (H, W) uint8 of two nested ellipses that cover about an eighth of the picture."""
    axes = (shape[1] // 5, shape[0] // 5)
    organ = cv2.ellipse(np.zeros(shape, np.uint8), (shape[1] // 2, shape[0] // 2), axes, 0, 0, 360, 1, -1)
    inner = (axes[0] // 2, axes[1] // 2)
    return np.asarray(cv2.ellipse(organ, (shape[1] // 2, shape[0] // 2), inner, 0, 0, 360, 2, -1), np.uint8)
