"""Holds the pixel work around the network: each kernel is a NumPy reference with backends that must agree with it."""

from rtseg.kernels.bmode.log_compression import log_compress
from rtseg.kernels.bmode.persistence import persistence
from rtseg.kernels.bmode.scan_conversion import Fan, to_beams, to_fan
from rtseg.kernels.filters.bilateral import bilateral
from rtseg.kernels.filters.clahe import clahe
from rtseg.kernels.filters.frost import frost
from rtseg.kernels.filters.kuan import kuan
from rtseg.kernels.filters.lee import lee
from rtseg.kernels.filters.median import median
from rtseg.kernels.filters.non_local_means import non_local_means
from rtseg.kernels.filters.perona_malik import perona_malik
from rtseg.kernels.filters.phase_symmetry import phase_symmetry
from rtseg.kernels.filters.srad import srad
from rtseg.kernels.labels.blend import blend
from rtseg.kernels.labels.components import drop_small, fill_holes, keep_largest
from rtseg.kernels.labels.hysteresis import hysteresis
from rtseg.kernels.labels.inner_contour import inner_contour
from rtseg.kernels.labels.morphology import closing, opening
from rtseg.kernels.network.argmax_labels import argmax_labels
from rtseg.kernels.network.confidence import class_confidence, has_nonfinite, probability
from rtseg.kernels.network.fit import Fit, letterbox
from rtseg.kernels.network.fit_input import fit_input
from rtseg.kernels.network.grey_view import grey_view
from rtseg.kernels.runtime.registry import KERNELS
from rtseg.kernels.temporal.smooth import smooth
from rtseg.kernels.temporal.stabilize import smooth_probabilities, stabilize
from rtseg.kernels.temporal.warp import warp
from rtseg.kernels.warm_up import warm_up

carried, smoothed, steadied = warp, smooth_probabilities, stabilize  # the earlier names, as the registry and reports have them

__all__ = [
    "KERNELS",
    "Fan",
    "Fit",
    "argmax_labels",
    "bilateral",
    "blend",
    "carried",
    "clahe",
    "class_confidence",
    "closing",
    "drop_small",
    "fill_holes",
    "fit_input",
    "frost",
    "grey_view",
    "has_nonfinite",
    "hysteresis",
    "inner_contour",
    "keep_largest",
    "kuan",
    "lee",
    "letterbox",
    "log_compress",
    "median",
    "non_local_means",
    "opening",
    "perona_malik",
    "persistence",
    "phase_symmetry",
    "probability",
    "smooth",
    "smooth_probabilities",
    "smoothed",
    "srad",
    "stabilize",
    "steadied",
    "to_beams",
    "to_fan",
    "warm_up",
    "warp",
]
