"""Computes the quality metrics of speckle filters, each with its formula here and in docs/benchmarks/speckle.md.

Pictures are (H, W) uint8, regions (H, W) bool; m and s are a region's mean and standard deviation in gray levels.
"""

import math

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.errors import ImageError
from rtseg.frame import Image, Mask, check_image

Doubles = npt.NDArray[np.float64]

WHITE = 255.0
WINDOW, WINDOW_SIGMA = 11, 1.5  # SSIM's window in pixels, and the deviation of its weights
SSIM_C1, SSIM_C2 = (0.01 * WHITE) ** 2, (0.03 * WHITE) ** 2  # SSIM's C1 and C2


def enl(image: Image, region: Mask) -> float:
    """Return the equivalent number of looks (m / s)^2 of a uniform region, infinite if it is flat.

    C. Oliver and S. Quegan, 1998. It is defined for intensities; on log-compressed gray levels it only ranks filters of the
    same picture. Raises ImageError.
    """
    mean, variance = _moments(image, region)
    return mean**2 / variance if variance else math.inf


def cnr(image: Image, inside: Mask, outside: Mask) -> float:
    """Return the contrast-to-noise ratio |m1 - m2| / sqrt(s1^2 + s2^2), Patterson and Foster, Ultrasonic Imaging 1983.

    If both regions are flat, it is infinite where they differ and else 0. Raises ImageError.
    """
    (mean, variance), (other_mean, other_variance) = _moments(image, inside), _moments(image, outside)
    contrast, noise = abs(mean - other_mean), math.sqrt(variance + other_variance)
    return contrast / noise if noise else (math.inf if contrast else 0.0)


def ssi(original: Image, filtered: Image, region: Mask) -> float:
    """Return the speckle suppression index: s / m of the filtered over s / m of the original, Sheng and Xia, IGARSS 1996.

    Below 1, speckle is reduced. NaN if the original has no speckle or either region is black. Raises ImageError.
    """
    _check_pair(original, filtered)
    (mean, variance), (new_mean, new_variance) = _moments(original, region), _moments(filtered, region)
    if not mean or not new_mean or not variance:
        return math.nan
    return math.sqrt(new_variance / variance) * mean / new_mean


def epi(reference: Image, filtered: Image, where: Mask | None = None) -> float:
    """Return the edge preservation index in [-1, 1]: the correlation of both pictures' Laplacians.

    Sattar et al., IEEE TIP 6(6), 1997. where: the region that counts; None: all. NaN if the reference has no edge, 0 if only
    the filtered picture has none. Raises ImageError.
    """
    _check_pair(reference, filtered)
    region = np.ones(reference.shape, np.bool_) if where is None else where
    true, found = (_pixels(_laplacian(image), region) for image in (reference, filtered))
    true, found = true - true.mean(), found - found.mean()
    norm = math.sqrt(float(true @ true) * float(found @ found))
    if not true.any():
        return math.nan
    return float(true @ found) / norm if norm else 0.0


def psnr(truth: Image, filtered: Image) -> float:
    """Return the peak signal-to-noise ratio 10 log10(255^2 / mean squared error) in dB; infinite for equal pictures.

    Raises ImageError.
    """
    _check_pair(truth, filtered)
    error = float(np.mean((truth.astype(np.float64) - filtered) ** 2))
    return 10 * math.log10(WHITE**2 / error) if error else math.inf


def ssim(truth: Image, filtered: Image) -> float:
    """Return the mean structural similarity in [-1, 1], over Gaussian windows inside the picture.

    (2 m1 m2 + C1)(2 s12 + C2) / ((m1^2 + m2^2 + C1)(s1^2 + s2^2 + C2)), Wang et al., IEEE TIP 13(4), 2004.
    Raises ImageError.
    """
    _check_pair(truth, filtered)
    if min(truth.shape) < WINDOW:
        raise ImageError(f"SSIM looks through windows of {WINDOW} pixels, and the picture is {truth.shape}: give a larger one")
    a, b = truth.astype(np.float64), filtered.astype(np.float64)
    mean_a, mean_b = _windowed(a), _windowed(b)
    above = (2 * mean_a * mean_b + SSIM_C1) * (2 * (_windowed(a * b) - mean_a * mean_b) + SSIM_C2)
    spread = _windowed(a * a) - mean_a**2 + _windowed(b * b) - mean_b**2
    return float(np.mean(above / ((mean_a**2 + mean_b**2 + SSIM_C1) * (spread + SSIM_C2))))


def _windowed(values: Doubles) -> Doubles:
    """Return the Gaussian-weighted mean of each window that lies inside the picture."""
    edge = WINDOW // 2
    return np.asarray(cv2.GaussianBlur(values, (WINDOW, WINDOW), WINDOW_SIGMA)[edge:-edge, edge:-edge], np.float64)


def _laplacian(image: Image) -> Doubles:
    return np.asarray(cv2.Laplacian(image, cv2.CV_64F, ksize=1, borderType=cv2.BORDER_REPLICATE), np.float64)


def _moments(image: Image, region: Mask) -> tuple[float, float]:
    """Return the mean and variance of a region."""
    _check(image)
    values = _pixels(image.astype(np.float64), region)
    return float(values.mean()), float(values.var())


def _pixels(values: Doubles, region: Mask) -> Doubles:
    if region.dtype != np.bool_ or region.shape != values.shape or not region.any():
        raise ImageError(f"a region is a bool array of the picture's {values.shape} and not empty: mark its pixels")
    return np.asarray(values[region], np.float64)


def _check_pair(first: Image, second: Image) -> None:
    _check(first)
    _check(second)
    if first.shape != second.shape:
        raise ImageError(f"{first.shape} and {second.shape} cannot be compared: give pictures of one size")


def _check(image: Image) -> None:
    check_image(image)
    if image.ndim != 2:
        raise ImageError(f"speckle is measured in grey pictures (H, W), not {image.shape}: convert it first")
