"""Compares the filters with OpenCV's, or with their definitions in NumPy where OpenCV has none."""

from collections.abc import Iterator
from functools import partial

import cv2
import numpy as np

from rtseg import kernels
from rtseg.bench.kernels.paired_timing import Call, KernelComparison
from rtseg.frame import Image
from rtseg.kernels.filters import quadrature


def filters_against_opencv(grey: Image) -> Iterator[KernelComparison]:
    """Yield the comparisons of filters with their OpenCV counterparts on a gray picture (H, W) uint8."""
    out, traffic = np.empty_like(grey), 2 * grey.nbytes
    square, equalizer = np.ones((5, 5), np.uint8), cv2.createCLAHE(2.0, (8, 8))
    pairs: list[tuple[str, str, Call, Call]] = [
        (f"median {size}", "OpenCV", partial(kernels.median, grey, size, out=out), partial(cv2.medianBlur, grey, size))
        for size in (3, 5, 7)
    ]
    pairs += [
        (f"bilateral {n}", "OpenCV", partial(kernels.bilateral, grey, n, out=out), partial(cv2.bilateralFilter, grey, n, 30, 2))
        for n in (5, 9)
    ]
    pairs += [
        ("lee 7", "OpenCV box filters", partial(kernels.lee, grey, 7, out=out), partial(_lee_with_opencv, grey)),
        ("clahe", "OpenCV", partial(kernels.clahe, grey, out=out), partial(equalizer.apply, grey)),
        (
            "opening",
            "OpenCV",
            partial(kernels.opening, grey, 2, out=out),
            partial(cv2.morphologyEx, grey, cv2.MORPH_OPEN, square),
        ),
        (
            "non_local_means",
            "OpenCV, the same blocks and search",
            partial(kernels.non_local_means, grey, out=out),
            partial(cv2.fastNlMeansDenoising, grey, None, 10, 5, 11),
        ),
        (
            "phase_symmetry",
            "OpenCV, its separable filters alone",
            partial(kernels.phase_symmetry, grey, out=out),
            partial(_separable_with_opencv, grey, quadrature.wavelengths(8.0, 2)),
        ),
    ]
    for name, theirs, our_call, their_call in pairs:
        yield KernelComparison(name, theirs, our_call, their_call, traffic)


def _lee_with_opencv(grey: Image, size: int = 7, noise: float = 0.15) -> Image:
    levels = grey.astype(np.float32)
    mean = cv2.boxFilter(levels, -1, (size, size), borderType=cv2.BORDER_REPLICATE)
    variance = cv2.sqrBoxFilter(levels, -1, (size, size), borderType=cv2.BORDER_REPLICATE) - mean * mean
    share = np.clip(1 - (noise * mean) ** 2 / np.maximum(variance, 1e-6), 0, 1)
    filtered: Image = np.rint(mean + share * (levels - mean)).astype(np.uint8)
    return filtered


def _separable_with_opencv(grey: Image, wavelengths: tuple[float, ...]) -> None:
    """Compute the responses of phase symmetry's separable filters, without steering and comparing them."""
    for wavelength in wavelengths:
        signs = [-1 if is_odd else 1 for is_odd in quadrature.IS_ODD]
        halves = zip(signs, quadrature.taps(wavelength).astype(np.float32), strict=True)
        profiles = [np.concatenate([sign * half[:0:-1], half]) for sign, half in halves]
        for down, along in quadrature.SEPARABLE:
            cv2.sepFilter2D(grey, cv2.CV_32F, profiles[along], profiles[down], borderType=cv2.BORDER_REPLICATE)


def filters_against_numpy(grey: Image) -> Iterator[KernelComparison]:
    """Yield the comparisons of filters that OpenCV lacks with their NumPy definitions, on a gray picture (H, W) uint8."""
    out = np.empty_like(grey)
    for made in (kernels.kuan, kernels.frost, kernels.srad, kernels.perona_malik):
        yield KernelComparison(made.name, "NumPy", partial(made, grey, out=out), partial(made.reference, grey), 2 * grey.nbytes)
