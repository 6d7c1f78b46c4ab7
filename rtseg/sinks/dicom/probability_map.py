"""Draws the probabilities of a network's cells on the pixels of a frame."""

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.probability_planes import ProbabilityPlanes

MAX_VALUE = 255  # that stands for a probability of 1
_LEAST = np.float32(1e-7)  # probability, whose logarithm is finite


def probability_map(planes: ProbabilityPlanes, shape: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Return the probability of each class at each pixel, (K, H, W) uint8, 255 for 1; 0 where the network saw nothing.

    The logarithms are interpolated, not the probabilities: they differ from the network's answer by the same number in all
    classes, so that a pixel's greatest probability is that of its label, before masks are cleaned.
    """
    top, left, height, width = planes.box
    background = np.clip(1 - planes.values.sum(0, keepdims=True), 0, 1)
    logarithms = np.log(np.maximum(np.concatenate([background, planes.values]), _LEAST))
    fine = np.stack([cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR) for plane in logarithms])
    shares = np.exp(fine, out=fine)
    shares /= shares.sum(0)
    result = np.zeros((len(planes.values), *shape), np.uint8)
    result[:, top : top + height, left : left + width] = np.rint(shares[1:] * MAX_VALUE)
    return result
