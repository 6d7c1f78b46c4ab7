"""Pixel work around the network: for each kernel one NumPy truth, and backends that must agree with it."""

from rtseg.kernels import cuda_filters, cuda_network, cuda_pictures  # noqa: F401  they register the CUDA backends
from rtseg.kernels.argmax_labels import argmax_labels
from rtseg.kernels.bilateral import bilateral
from rtseg.kernels.blend import blend
from rtseg.kernels.carried import carried
from rtseg.kernels.clahe import clahe
from rtseg.kernels.components import drop_small, fill_holes, keep_largest
from rtseg.kernels.confidence import class_confidence, has_nonfinite, probability
from rtseg.kernels.fit import Fit, letterbox
from rtseg.kernels.fit_input import fit_input
from rtseg.kernels.frost import frost
from rtseg.kernels.grey_view import grey_view
from rtseg.kernels.hysteresis import hysteresis
from rtseg.kernels.inner_contour import inner_contour
from rtseg.kernels.kuan import kuan
from rtseg.kernels.lee import lee
from rtseg.kernels.log_compression import log_compress
from rtseg.kernels.median import median
from rtseg.kernels.morphology import closing, opening
from rtseg.kernels.non_local_means import non_local_means
from rtseg.kernels.perona_malik import perona_malik
from rtseg.kernels.persistence import persistence
from rtseg.kernels.registry import KERNELS
from rtseg.kernels.scan_conversion import Fan, to_beams, to_fan
from rtseg.kernels.smooth import smooth
from rtseg.kernels.srad import srad
from rtseg.kernels.steady import smoothed, steadied
from rtseg.kernels.warm_up import warm_up

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
    "probability",
    "smooth",
    "smoothed",
    "srad",
    "steadied",
    "to_beams",
    "to_fan",
    "warm_up",
]
