"""Compiles the kernels before the first frame arrives."""

import numpy as np

from rtseg.kernels.labels.blend import blend
from rtseg.kernels.network.argmax_labels import argmax_labels
from rtseg.kernels.network.confidence import class_confidence, probability
from rtseg.kernels.network.fit import letterbox
from rtseg.kernels.network.fit_input import fit_input
from rtseg.kernels.temporal.stabilize import smooth_probabilities, stabilize
from rtseg.kernels.temporal.warp import warp


def warm_up() -> None:
    """Compile the kernels that a session calls for each frame, gray or RGB, or load them from Numba's cache.

    The first call on a machine takes seconds, later ones a fraction of a second: call it before timing anything.
    """
    fit = letterbox((0, 0, 8, 8), (8, 8))
    palette = np.zeros((1, 3), np.uint8)
    logits = np.zeros((1, 2, 8, 8), np.float32)
    for image in (np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.uint8)):
        for size in ((8, 8), (4, 4)):  # at its own size, and resized
            fit_input(image, letterbox((0, 0, 8, 8), size), (0.0,), (1.0,))
        blend(image, argmax_labels(logits, fit, (8, 8)), palette, 0.5)
    weights, motion = np.ones(2, np.float32), np.zeros((8, 8, 2), np.float32)
    for answer in (logits[:, :1], logits):
        class_confidence(answer, fit)
        past = warp(answer, motion)
        stabilize(answer, smooth_probabilities(answer, probability(answer), weights), past, weights)
