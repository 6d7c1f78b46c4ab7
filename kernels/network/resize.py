"""Computes the weights that resize one axis.

Shrinking averages the area that an output pixel covers (OpenCV's INTER_AREA). Enlarging is bilinear, with half-pixel centers
and clamped edges. Either way an output is a sum of a run of whole inputs and a share of the input on either side.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from rtseg.kernels.runtime.arrays import as_read_only

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Runs = tuple[Ints, Floats]  # per output: (2, n) first whole input and count, (2, n) shares before and after them
Taps = tuple[Ints, int, Floats]  # per output: (n,) first whole input, the common count, (3, n) shares around them

_MIN_WEIGHT = 1e-9  # smaller weights are rounding errors


def resize_weights(inputs: int, outputs: int) -> Doubles:
    """Return the matrix (outputs, inputs) float64 that resizes one axis."""
    scale = inputs / outputs
    position = np.arange(inputs)
    if scale > 1:
        low = np.arange(outputs)[:, None] * scale
        covered: Doubles = np.clip(np.minimum(position + 1, low + scale) - np.maximum(position, low), 0, None)
        return covered / scale
    centre = np.clip((np.arange(outputs)[:, None] + 0.5) * scale - 0.5, 0, inputs - 1)
    near: Doubles = np.clip(1 - abs(position - centre), 0, None)
    return near


@lru_cache(maxsize=32)
def resize_runs(inputs: int, outputs: int) -> tuple[Runs, float]:
    """Return `resize_weights` as runs for compiled loops, and the weight of a whole input.

    The arrays are cached and read-only.
    """
    dense = resize_weights(inputs, outputs)
    whole = min(1.0, outputs / inputs)
    share = dense / whole
    used, row = share > _MIN_WEIGHT, np.arange(outputs)
    start, last = used.argmax(1), inputs - 1 - used[:, ::-1].argmax(1)
    head, tail = share[row, start], share[row, last]
    head, tail = np.where(head > 1 - _MIN_WEIGHT, 0, head), np.where(tail > 1 - _MIN_WEIGHT, 0, tail)
    first = start + (head > 0)
    count = last + 1 - (tail > 0) - first
    return (as_read_only(np.stack([first, count])), as_read_only(np.stack([head, tail]).astype(np.float32))), whole


@lru_cache(maxsize=32)
def resize_taps(inputs: int, outputs: int) -> tuple[Taps, float]:
    """Return `resize_runs` with one count of whole inputs for all outputs, and the weight of a whole input.

    The count is the smallest; one more whole input counts as a share of 1 after them. The shares belong to the input before the
    whole ones and to the two after them. The arrays are cached and read-only.
    """
    ((first, count), (head, tail)), whole = resize_runs(inputs, outputs)
    least = int(count.min())
    longer = count > least
    behind, beyond = np.where(longer, np.float32(1), tail), np.where(longer, tail, np.float32(0))
    return (as_read_only(first), least, as_read_only(np.stack([head, behind, beyond]))), whole
