"""Compares the kernels around the network with the chains of OpenCV calls that they replace."""

from collections.abc import Iterator
from functools import partial

import cv2
import numpy as np
import numpy.typing as npt

from rtseg import kernels
from rtseg.bench.kernels.paired_timing import KernelComparison
from rtseg.frame import Image, Labels

NETWORK = (256, 256)  # (H, W) of a network's input
MEAN, STD = 50.0, 40.0  # gray levels
SECTOR = 0.9  # height and width of a sector crop, as a share of the picture's
PALETTE = np.array([(230, 60, 60), (60, 200, 90)], np.uint8)


def pipeline_against_opencv(grey: Image, rgb: Image, labels: Labels) -> Iterator[KernelComparison]:
    """Yield the comparisons of preprocessing, postprocessing and overlay on one picture.

    grey: (H, W) uint8. rgb: (H, W, 3) uint8. labels: (H, W) uint8.
    """
    shape = (grey.shape[0], grey.shape[1])
    whole = kernels.letterbox((0, 0, *shape), NETWORK)
    yield from _before_the_network(grey, rgb, whole)
    yield from _after_the_network(rgb, labels, whole)
    yield from _on_labels(labels)


def _before_the_network(grey: Image, rgb: Image, whole: kernels.Fit) -> Iterator[KernelComparison]:
    height, width = round(SECTOR * grey.shape[0]), round(SECTOR * grey.shape[1])
    sector = kernels.letterbox((grey.shape[0] - height, (grey.shape[1] - width) // 2, height, width), NETWORK)
    stretched = kernels.Fit((0, 0, *grey.shape), NETWORK, (0, 0, *NETWORK))
    x = np.empty((1, 1, *NETWORK), np.float32)
    chain = "OpenCV: cvtColor, resize, border, normalise"
    for name, image, fit in [
        ("fit_input (RGB)", rgb, whole),
        ("fit_input (grey)", grey, whole),
        ("fit_input (RGB, sector)", rgb, sector),
        ("fit_input (grey, sector)", grey, sector),
        ("fit_input (RGB, stretched)", rgb, stretched),
        ("fit_input (grey, stretched)", grey, stretched),
    ]:
        ours = partial(kernels.fit_input, image, fit, (MEAN,), (STD,), out=x)
        read = fit.box[2] * fit.box[3] * image.nbytes // grey.size
        yield KernelComparison(name, chain, ours, partial(_fit_with_opencv, image, fit), read + x.nbytes)


def _after_the_network(rgb: Image, labels: Labels, fit: kernels.Fit) -> Iterator[KernelComparison]:
    shape, logits = (labels.shape[0], labels.shape[1]), _logits(labels, fit)
    overlay, mask = np.empty_like(rgb), np.empty_like(labels)
    yield KernelComparison(
        "argmax_labels",
        "OpenCV resize of each class, NumPy argmax",
        lambda: kernels.argmax_labels(logits, fit, shape, out=mask),
        lambda: _labels_with_opencv(logits, fit, shape),
        logits.nbytes + mask.nbytes,
    )
    yield KernelComparison(
        "blend",
        "OpenCV: addWeighted, copyTo, contours",
        lambda: kernels.blend(rgb, labels, PALETTE, 0.4, out=overlay),
        lambda: _blend_with_opencv(rgb, labels),
        2 * rgb.nbytes + labels.nbytes,
    )


def _logits(labels: Labels, fit: kernels.Fit) -> npt.NDArray[np.float32]:
    """Return logits (1, 3, h, w) float32 of a confident network for these labels."""
    top, left, height, width = fit.inner
    inner = cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST)
    small = np.pad(inner, [(top, fit.size[0] - top - height), (left, fit.size[1] - left - width)])
    noise = np.random.default_rng(0).normal(0, 0.3, (1, 3, *fit.size))
    logits: npt.NDArray[np.float32] = (noise + 4.0 * np.equal(small, np.arange(3)[:, None, None])).astype(np.float32)
    return logits


def _fit_with_opencv(image: Image, fit: kernels.Fit) -> npt.NDArray[np.float32]:
    top, left, height, width = fit.inner
    crop = image[fit.box[0] : fit.box[0] + fit.box[2], fit.box[1] : fit.box[1] + fit.box[3]]
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY) if crop.ndim == 3 else crop
    small = cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)
    below, right = fit.size[0] - top - height, fit.size[1] - left - width
    full = np.asarray(cv2.copyMakeBorder(small, top, below, left, right, cv2.BORDER_CONSTANT))
    values = full.astype(np.float32)
    values -= MEAN
    values /= STD
    return values[None, None]


def _labels_with_opencv(logits: npt.NDArray[np.float32], fit: kernels.Fit, shape: tuple[int, int]) -> Labels:
    top, left, height, width = fit.inner
    inside = logits[0, :, top : top + height, left : left + width]
    labels: Labels = np.stack([cv2.resize(plane, shape[::-1]) for plane in inside]).argmax(0).astype(np.uint8)
    return labels


def _blend_with_opencv(rgb: Image, labels: Labels) -> Image:
    colors = np.zeros_like(rgb)
    for label, color in enumerate(PALETTE, 1):
        cv2.copyTo(np.full_like(rgb, color), np.equal(labels, label).view(np.uint8), colors)
    mixed = cv2.addWeighted(rgb, 0.6, colors, 0.4, 0)
    overlay = cv2.copyTo(mixed, labels, rgb.copy())
    for label, color in enumerate(PALETTE.tolist(), 1):
        outlines, _ = cv2.findContours(np.equal(labels, label).view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(overlay, outlines, -1, color, 2)
    return np.asarray(overlay)


def _on_labels(labels: Labels) -> Iterator[KernelComparison]:
    out = np.empty_like(labels)
    yield KernelComparison(
        "keep_largest",
        "OpenCV connectedComponentsWithStats",
        lambda: kernels.keep_largest(labels, (1, 2), out=out),
        lambda: _largest_with_opencv(labels),
        2 * labels.nbytes,
    )


def _largest_with_opencv(labels: Labels) -> Labels:
    result = labels.copy()
    for label in (1, 2):
        mask = np.equal(labels, label).view(np.uint8)
        _, regions, stats, _ = cv2.connectedComponentsWithStats(mask)
        result[(mask > 0) & (regions != 1 + stats[1:, cv2.CC_STAT_AREA].argmax())] = 0
    return result
