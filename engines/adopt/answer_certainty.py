"""Tells whether an answer is that of a network that was trained to segment: sure of most pixels, and not mere brightness."""

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.frame import Image

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]

LEAST_MEDIAN = 0.71  # probability of the chosen class in a made sector: shipped networks 1.00, weak ones 0.72, embeddings 0.7
SAME_ORDER = 0.98  # rank correlation of an answer with brightness; the shipped networks have at most 0.75
_SMOOTHING = (0.01, 1.0, 2.0, 4.0)  # standard deviations of the picture's blur, in pixels of the answer
_MARGIN = 5  # pixels at the sector's edge that are left out


def median_probability(logits: Floats) -> float:
    """Return the median over all pixels of the probability of the chosen class. logits: (K, h, w)."""
    if len(logits) == 1:
        return float(np.median(1 / (1 + np.exp(-np.abs(logits[0])))))
    powers = np.exp(logits - logits.max(0))
    return float(np.median(powers.max(0) / powers.sum(0)))


def follows_brightness(logits: Floats, picture: Image, inside: Mask) -> float:
    """Return the largest rank correlation of a channel of logits (K, h, w) with the brightness of a picture (H, W).

    inside: the sector (H, W), to which it is limited; its edge alone would correlate.
    """
    size = logits.shape[:0:-1]
    kept = cv2.erode(inside.astype(np.uint8), np.ones((_MARGIN, _MARGIN)))
    places = cv2.resize(kept, size, interpolation=cv2.INTER_NEAREST) > 0
    scaled = np.asarray(cv2.resize(picture.astype(np.float32), size, interpolation=cv2.INTER_AREA), np.float32)
    blurred = [_ranks(cv2.GaussianBlur(scaled, (0, 0), sigma)[places]) for sigma in _SMOOTHING]
    answers = [_ranks(channel[places]) for channel in logits if np.ptp(channel[places]) > 0]
    return max((abs(float(np.corrcoef(one, other)[0, 1])) for one in answers for other in blurred), default=0.0)


def _ranks(values: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
    """Return the place of each value in their order; equal values have different places."""
    return np.argsort(np.argsort(values, kind="stable"), kind="stable")
