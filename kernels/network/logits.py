"""Logits, and where a frame's pixels lie in them: shared by every kernel that reads a network's answer."""

from functools import lru_cache
from math import ceil, floor, log

import numpy as np
import numpy.typing as npt

from rtseg.errors import ConfigError
from rtseg.kernels.network.fit import Fit
from rtseg.kernels.runtime.arrays import readable
from rtseg.kernels.runtime.cpu import compiled

Floats = npt.NDArray[np.float32]
Nodes = tuple[int, int, int, int]  # first row, last row, first column, last column
Places = tuple[npt.NDArray[np.int64], Floats]  # for each pixel: the node before it, and how far it is on to the next

LARGEST = np.float32(1e30)  # finite stand-in for infinity: interpolation must not meet inf * 0


def cleaned(logits: Floats) -> Floats:
    """Logits with NaN taken as the most negative and infinities as the largest finite values, so that sums stay finite."""
    finite: Floats = np.where(np.isnan(logits), -LARGEST, logits).clip(-LARGEST, LARGEST)
    return finite


@compiled
def clean(value: np.float32) -> np.float32:
    """As `cleaned`, for one logit; a comparison with NaN is false."""
    return min(value, LARGEST) if value > -LARGEST else -LARGEST


def cut(threshold: float) -> np.float32:
    """The logit of a probability. Raises ConfigError unless it is between 0 and 1."""
    if not 0 < threshold < 1:
        raise ConfigError(f"the threshold is {threshold}: give a probability between 0 and 1, such as 0.5")
    return np.float32(log(threshold / (1 - threshold)))


def nodes_inside(start: int, length: int, size: int, nodes: int) -> tuple[int, int]:
    """The first and last of `nodes` logits over an axis of `size` input pixels whose centres lie in start..start+length.

    Where there is none it is the one nearest to the middle.
    """
    first = ceil(start * nodes / size - 0.5)
    last = min(floor((start + length) * nodes / size - 0.5), nodes - 1)
    if first > last:
        first = last = min(floor((start + length / 2) * nodes / size), nodes - 1)
    return first, last


def inside(fit: Fit, shape: tuple[int, ...]) -> Nodes:
    """The nodes inside fit.inner of logits (1, K, h, w): first row, last row, first column, last column."""
    top, left, height, width = fit.inner
    return (*nodes_inside(top, height, fit.size[0], shape[2]), *nodes_inside(left, width, fit.size[1], shape[3]))


@lru_cache(maxsize=32)
def places(fit: Fit, axis: int, nodes: int) -> Places:
    """Where the pixels of fit.box lie between the nodes of one axis, clamped to the nodes inside fit.inner."""
    first, last = nodes_inside(fit.inner[axis], fit.inner[axis + 2], fit.size[axis], nodes)
    pixel = np.arange(fit.box[axis + 2]) + 0.5
    at = (fit.inner[axis] + pixel * fit.inner[axis + 2] / fit.box[axis + 2]) * nodes / fit.size[axis] - 0.5
    at = np.clip(at, first, last)
    before = np.clip(np.floor(at).astype(np.int64), first, max(first, last - 1))
    return readable(before), readable((at - before).astype(np.float32))
