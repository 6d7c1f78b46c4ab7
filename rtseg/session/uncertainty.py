"""Compute the uncertainty of a border: the entropy of the probabilities along it, and the probabilities themselves."""

import numpy as np
import numpy.typing as npt

from rtseg import kernels
from rtseg.kernels.network.fit import Fit
from rtseg.probability_planes import ProbabilityPlanes

_BORDER = 1  # cells of the network's output, on the inner side of the border


def border_entropy(logits: npt.NDArray[np.float32], threshold: float = 0.5) -> tuple[float, ...]:
    """Return for each class the mean entropy of its probability p along its border, in bits; 0 without a border.

    The entropy -p log2 p - (1 - p) log2(1 - p) is averaged over the cells of the class that touch another class. It is 1 where
    p is 0.5, so that the border may as well lie elsewhere.

    logits: (1, K, h, w). threshold: the session's probability threshold, for one class. Raises ImageError.
    """
    shares = kernels.probability(logits)[0]
    labels = shares[0] > threshold if len(shares) == 1 else shares.argmax(0)
    rims = kernels.inner_contour(labels.astype(np.uint8), _BORDER)
    planes = shares if len(shares) == 1 else shares[1:]
    return tuple(_mean_entropy(plane[rims == label]) for label, plane in enumerate(planes, start=1))


def class_planes(logits: npt.NDArray[np.float32], fit: Fit) -> ProbabilityPlanes:
    """Return the probability of each class in the part of the frame that the network saw.

    logits: (1, K, h, w). fit: maps that part to the network's input.
    """
    shares = kernels.probability(logits)[0]
    planes = shares if len(shares) == 1 else shares[1:]
    down, along = planes.shape[1] / fit.size[0], planes.shape[2] / fit.size[1]
    top, left, height, width = fit.inner
    rows = slice(round(top * down), max(round(top * down) + 1, round((top + height) * down)))
    columns = slice(round(left * along), max(round(left * along) + 1, round((left + width) * along)))
    return ProbabilityPlanes(planes[:, rows, columns], fit.box)


def _mean_entropy(shares: npt.NDArray[np.float32]) -> float:
    sure = np.clip(shares.astype(np.float64), 1e-12, 1 - 1e-12)
    return float(np.mean(-sure * np.log2(sure) - (1 - sure) * np.log2(1 - sure))) if sure.size else 0.0
