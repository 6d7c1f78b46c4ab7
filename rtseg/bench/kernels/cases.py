"""Pairs each kernel with an alternative implementation on the same picture."""

from collections.abc import Iterator

import cv2
import numpy as np

from rtseg.bench.kernels.filters import filters_against_numpy, filters_against_opencv
from rtseg.bench.kernels.paired_timing import KernelComparison
from rtseg.bench.kernels.versus_opencv import pipeline_against_opencv
from rtseg.frame import Labels
from rtseg.kernels.runtime import cases

MAX_NUMPY_PIXELS = 720 * 1280  # pixels: on larger pictures the NumPy definitions take many seconds a call


def kernel_comparisons(shape: tuple[int, int]) -> Iterator[KernelComparison]:
    """Yield the comparisons of all kernels on a picture of (H, W)."""
    grey = cases.speckle(shape)
    rgb = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
    labels = _labels(shape)
    yield from pipeline_against_opencv(grey, np.asarray(rgb), labels)
    yield from filters_against_opencv(grey)
    if grey.size <= MAX_NUMPY_PIXELS:
        yield from filters_against_numpy(grey)


def _labels(shape: tuple[int, int]) -> Labels:
    """Return labels (H, W) uint8 of two nested ellipses that cover about an eighth of the picture."""
    axes = (shape[1] // 5, shape[0] // 5)
    organ = cv2.ellipse(np.zeros(shape, np.uint8), (shape[1] // 2, shape[0] // 2), axes, 0, 0, 360, 1, -1)
    inner = (axes[0] // 2, axes[1] // 2)
    return np.asarray(cv2.ellipse(organ, (shape[1] // 2, shape[0] // 2), inner, 0, 0, 360, 2, -1), np.uint8)
