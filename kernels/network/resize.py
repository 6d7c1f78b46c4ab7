"""Resizing one axis: what each output pixel takes of the inputs.

Shrinking averages the exact share of each pixel that an output pixel covers (OpenCV's INTER_AREA), enlarging is bilinear with
half-pixel centres and clamped edges. Either way an output takes a run of whole inputs, and a share of the one on either side.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from rtseg.kernels.runtime.arrays import readable

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Runs = tuple[Ints, Floats]  # by output: (2, n) the first whole input and their number, (2, n) the shares before and behind them
Taps = tuple[Ints, int, Floats]  # by output: (n,) the first whole input, how many all have, (3, n) the shares around them

_HAIR = 1e-9  # of a weight


def resize_weights(inputs: int, outputs: int) -> Doubles:
    """The matrix (outputs, inputs) that resizes one axis."""
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
    """The same as compiled loops read it, and the weight of a whole input. The arrays are shared: they are read-only."""
    dense = resize_weights(inputs, outputs)
    whole = min(1.0, outputs / inputs)
    share = dense / whole
    used, row = share > _HAIR, np.arange(outputs)
    start, last = used.argmax(1), inputs - 1 - used[:, ::-1].argmax(1)
    head, tail = share[row, start], share[row, last]
    head, tail = np.where(head > 1 - _HAIR, 0, head), np.where(tail > 1 - _HAIR, 0, tail)
    first = start + (head > 0)
    count = last + 1 - (tail > 0) - first
    return (readable(np.stack([first, count])), readable(np.stack([head, tail]).astype(np.float32))), whole


@lru_cache(maxsize=32)
def resize_taps(inputs: int, outputs: int) -> tuple[Taps, float]:
    """`resize_runs` with one number of whole inputs for all, the least: what some have more of is a share of 1 behind them.

    The shares are of the input before the whole ones, and of the two behind them.
    """
    ((first, count), (head, tail)), whole = resize_runs(inputs, outputs)
    least = int(count.min())
    longer = count > least
    behind, beyond = np.where(longer, np.float32(1), tail), np.where(longer, tail, np.float32(0))
    return (readable(first), least, readable(np.stack([head, behind, beyond]))), whole
