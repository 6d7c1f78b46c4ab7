"""Wrap speckle filters of other libraries in one signature, each with the name of our equivalent."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from findpeaks.filters.frost import frost_filter
from findpeaks.filters.kuan import kuan_filter
from findpeaks.filters.lee import lee_filter
from medpy.filter.smoothing import anisotropic_diffusion
from skimage import restoration
from skimage.filters.rank import median as rank_median

from rtseg.bench.speckle.filters import Filter
from rtseg.frame import Image


@dataclass(frozen=True, slots=True)
class BaselineFilter:
    """Holds another library's filter, with the same parameters as one of ours."""

    name: str  # library, function and parameters
    ours: str  # key in `rtseg.bench.speckle.FILTERS`
    apply: Filter


def levels(values) -> Image:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def on_levels(apply: Callable) -> Filter:
    """Wrap a filter of float gray levels in [0, 255]."""
    return lambda image: levels(apply(image.astype(np.float64)))


def on_unit(apply: Callable) -> Filter:
    """Wrap a filter of floats in [0, 1]."""
    return lambda image: levels(255 * apply(image / 255))


BASELINE_FILTERS = (
    *(BaselineFilter(f"OpenCV medianBlur {n}", f"median {n}", partial(cv2.medianBlur, ksize=n)) for n in (3, 5, 7)),
    BaselineFilter("scikit-image rank.median 5", "median 5", partial(rank_median, footprint=np.ones((5, 5), np.uint8))),
    *(
        BaselineFilter(
            f"OpenCV bilateralFilter {n}", f"bilateral {n}", partial(cv2.bilateralFilter, d=n, sigmaColor=30, sigmaSpace=2)
        )
        for n in (5, 9)
    ),
    BaselineFilter(
        "scikit-image denoise_bilateral 5",
        "bilateral 5",
        on_unit(partial(restoration.denoise_bilateral, win_size=5, sigma_color=30 / 255, sigma_spatial=2)),
    ),
    BaselineFilter(
        "OpenCV fastNlMeansDenoising",
        "non_local_means",
        partial(cv2.fastNlMeansDenoising, h=10, templateWindowSize=5, searchWindowSize=11),
    ),
    BaselineFilter(
        "OpenCV fastNlMeansDenoising, h 30",
        "non_local_means",
        partial(cv2.fastNlMeansDenoising, h=30, templateWindowSize=5, searchWindowSize=11),
    ),
    BaselineFilter(
        "scikit-image denoise_nl_means",
        "non_local_means",
        on_unit(partial(restoration.denoise_nl_means, patch_size=5, patch_distance=5, h=0.1)),
    ),
    BaselineFilter(
        "MedPy anisotropic_diffusion",
        "perona_malik",
        on_levels(partial(anisotropic_diffusion, niter=10, kappa=20, gamma=0.2, option=2)),
    ),
    BaselineFilter("findpeaks lee_filter 7", "lee 7", on_levels(partial(lee_filter, win_size=7, cu=0.15))),
    BaselineFilter("findpeaks kuan_filter 7", "kuan 7", on_levels(partial(kuan_filter, win_size=7, cu=0.15))),
    BaselineFilter("findpeaks frost_filter 5", "frost 5", on_levels(partial(frost_filter, win_size=5, damping_factor=2))),
)
