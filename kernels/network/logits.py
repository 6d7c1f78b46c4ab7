"""Maps a frame's pixels to the logits of a network, for every kernel that reads its output.

A node is one spatial position of the logits.
"""

from functools import lru_cache
from math import ceil, floor, log

import numpy as np
import numpy.typing as npt

from rtseg.errors import ConfigError
from rtseg.kernels.network.fit import Fit
from rtseg.kernels.runtime.arrays import as_read_only
from rtseg.kernels.runtime.cpu import compiled

Floats = npt.NDArray[np.float32]
Nodes = tuple[int, int, int, int]  # first row, last row, first column, last column
NodePositions = tuple[
    npt.NDArray[np.int64], Floats
]  # for each pixel: the node before it, and the fraction of the way to the next

MAX_LOGIT = np.float32(1e30)  # finite stand-in for infinity: interpolation must not meet inf * 0


def finite_logits(logits: Floats) -> Floats:
    """Replace NaN by the most negative and infinities by the largest finite value, so that sums stay finite.

    logits: float32 of any shape; the result has the same.
    """
    finite: Floats = np.where(np.isnan(logits), -MAX_LOGIT, logits).clip(-MAX_LOGIT, MAX_LOGIT)
    return finite


@compiled
def finite_logit(value: np.float32) -> np.float32:
    """Replace NaN and infinity as `finite_logits` does, for one logit; a comparison with NaN is false."""
    return min(value, MAX_LOGIT) if value > -MAX_LOGIT else -MAX_LOGIT


def threshold_logit(threshold: float) -> np.float32:
    """Return the logit of a threshold probability. Raises ConfigError unless it is between 0 and 1."""
    if not 0 < threshold < 1:
        raise ConfigError(f"the threshold is {threshold}: give a probability between 0 and 1, such as 0.5")
    return np.float32(log(threshold / (1 - threshold)))


def nodes_inside(start: int, length: int, size: int, nodes: int) -> tuple[int, int]:
    """Return the first and last node of an axis whose centers lie in start..start+length, in input pixels.

    size: of the axis in input pixels. nodes: on the axis. Where none lies inside, both are the node nearest to the middle.
    """
    first = ceil(start * nodes / size - 0.5)
    last = min(floor((start + length) * nodes / size - 0.5), nodes - 1)
    if first > last:
        first = last = min(floor((start + length / 2) * nodes / size), nodes - 1)
    return first, last


def nodes_in_fit(fit: Fit, shape: tuple[int, ...]) -> Nodes:
    """Return the nodes inside fit.inner: first row, last row, first column, last column.

    shape: of the logits, (1, K, h, w).
    """
    top, left, height, width = fit.inner
    return (*nodes_inside(top, height, fit.size[0], shape[2]), *nodes_inside(left, width, fit.size[1], shape[3]))


@lru_cache(maxsize=32)
def node_positions(fit: Fit, axis: int, nodes: int) -> NodePositions:
    """Return the position of each pixel of fit.box between the nodes of one axis, clamped to those inside fit.inner.

    axis: 0 for rows, 1 for columns. nodes: how many lie on it. The arrays are cached and read-only.
    """
    first, last = nodes_inside(fit.inner[axis], fit.inner[axis + 2], fit.size[axis], nodes)
    pixel = np.arange(fit.box[axis + 2]) + 0.5
    at = (fit.inner[axis] + pixel * fit.inner[axis + 2] / fit.box[axis + 2]) * nodes / fit.size[axis] - 0.5
    at = np.clip(at, first, last)
    before = np.clip(np.floor(at).astype(np.int64), first, max(first, last - 1))
    return as_read_only(before), as_read_only((at - before).astype(np.float32))
