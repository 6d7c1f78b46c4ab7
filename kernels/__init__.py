"""Pixel work around the network: for each kernel one NumPy truth, and backends that must agree with it."""

from rtseg.kernels.argmax_labels import argmax_labels
from rtseg.kernels.blend import blend
from rtseg.kernels.confidence import class_confidence, has_nonfinite, probability
from rtseg.kernels.fit import Fit, letterbox
from rtseg.kernels.fit_input import fit_input
from rtseg.kernels.inner_contour import inner_contour
from rtseg.kernels.registry import KERNELS
from rtseg.kernels.smooth import smooth
from rtseg.kernels.warm_up import warm_up

__all__ = [
    "KERNELS",
    "Fit",
    "argmax_labels",
    "blend",
    "class_confidence",
    "fit_input",
    "has_nonfinite",
    "inner_contour",
    "letterbox",
    "probability",
    "smooth",
    "warm_up",
]
