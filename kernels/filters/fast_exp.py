"""exp(-x) as a loop of SIMD can have it."""

import numpy as np

from rtseg.kernels.runtime.cpu import fused

FARTHEST = np.float32(16)  # exp(-16) is no weight


@fused
def falling(x: np.float32) -> np.float32:
    """exp(-x) for x >= 0, to 1e-4, from products alone, so that loops have no calls."""
    return rising(x * np.float32(-1 / 16))


@fused
def rising(sixteenth: np.float32) -> np.float32:
    """exp(16 t) for t <= 0, as `falling`: a short series to the 16th power. Who has t already is spared a product."""
    t = max(sixteenth, np.float32(-1))
    power = np.float32(1) + t * (np.float32(1) + t * (np.float32(0.5) + t * np.float32(1 / 6)))
    power *= power
    power *= power
    power *= power
    return power * power
