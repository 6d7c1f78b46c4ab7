"""Approximates exp for negative arguments in loops that LLVM vectorizes."""

import numpy as np

from rtseg.kernels.runtime.cpu import fused

MAX_EXPONENT = np.float32(16)  # exp(-16) is a negligible weight


@fused
def fast_exp_neg(x: np.float32) -> np.float32:
    """Return exp(-x) for x >= 0, to 1e-4, from products only, so that loops have no calls."""
    return fast_exp_16x(x * np.float32(-1 / 16))


@fused
def fast_exp_16x(sixteenth: np.float32) -> np.float32:
    """Return exp(16 t) for t <= 0, to 1e-4: a short series to the 16th power.

    It saves the product of `fast_exp_neg` where the caller has t already.
    """
    t = max(sixteenth, np.float32(-1))
    power = np.float32(1) + t * (np.float32(1) + t * (np.float32(0.5) + t * np.float32(1 / 6)))
    power *= power
    power *= power
    power *= power
    return power * power
