"""Computes how sure a network is of each object that it follows."""

import numpy as np

from rtseg import kernels
from rtseg.engines.base import Floats
from rtseg.kernels.network.fit import Fit


def object_confidence(logits: Floats, fit: Fit, *, threshold: float = 0.5) -> Floats:
    """Return each object's mean probability where it is more likely than not, (objects,) float32; 0 where it is nowhere.

    Objects may lie on one another, so that each has a probability of its own. logits: (1, objects + 1, h, w), the background's
    first, or (1, 1, h, w) of one object, which is compared with the threshold. Raises ImageError, ConfigError.
    """
    if logits.shape[1] == 1:
        return kernels.class_confidence(logits, fit, threshold=threshold)
    planes = (logits[:, place : place + 1] - logits[:, :1] for place in range(1, logits.shape[1]))
    return np.concatenate([kernels.class_confidence(plane, fit) for plane in planes])
