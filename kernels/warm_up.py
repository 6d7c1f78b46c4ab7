"""Compiling before the first frame comes."""

import numpy as np

from rtseg.kernels.argmax_labels import argmax_labels
from rtseg.kernels.blend import blend
from rtseg.kernels.confidence import class_confidence
from rtseg.kernels.fit import letterbox
from rtseg.kernels.fit_input import fit_input
from rtseg.kernels.smooth import smooth


def warm_up() -> None:
    """Compile the kernels that a session calls for each frame, grey or RGB, or load them from Numba's cache.

    The first call of a machine takes seconds, later ones a fraction of one: call it before the clock counts.
    """
    fit = letterbox((0, 0, 8, 8), (8, 8))
    palette = np.zeros((1, 3), np.uint8)
    logits = np.zeros((1, 2, 8, 8), np.float32)
    for image in (np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.uint8)):
        fit_input(image, fit, (0.0,), (1.0,))
        labels = argmax_labels(smooth(logits, logits, 0.5), fit, (8, 8))
        blend(image, labels, palette, 0.5)
    for classes in (1, 2):
        class_confidence(logits[:, :classes], fit)
