"""Generates the inputs that kernels are tested on: small, seeded, and with awkward shapes."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from rtseg.frame import Image, Labels


def gray_images() -> Iterator[tuple[str, Image]]:
    """Yield gray images (H, W) uint8, each with its name."""
    rng = np.random.default_rng(1)
    for name, shape in [("1x1", (1, 1)), ("row", (1, 9)), ("column", (8, 1)), ("tiny", (3, 2)), ("odd", (23, 37))]:
        yield f"{name} grey", rng.integers(0, 256, shape, np.uint8)
    yield "black grey", np.zeros((9, 11), np.uint8)
    yield "white grey", np.full((9, 11), 255, np.uint8)
    yield "checkers grey", (np.indices((12, 17)).sum(0) % 2 * 255).astype(np.uint8)
    yield "strided grey", rng.integers(0, 256, (40, 50), np.uint8)[1::2, ::-3]
    yield "speckle grey", speckle((41, 53))


def images() -> Iterator[tuple[str, Image]]:
    """Yield gray (H, W) and RGB (H, W, 3) uint8 images, each with its name."""
    yield from gray_images()
    rng = np.random.default_rng(2)
    for name, shape in [("1x1", (1, 1, 3)), ("row", (1, 9, 3)), ("column", (8, 1, 3)), ("odd", (23, 37, 3))]:
        yield f"{name} rgb", rng.integers(0, 256, shape, np.uint8)
    yield "white rgb", np.full((9, 11, 3), 255, np.uint8)
    yield "strided rgb", rng.integers(0, 256, (40, 50, 6), np.uint8)[1::2, ::-3, ::2]


def speckle(shape: tuple[int, int], seed: int = 3) -> Image:
    """Return a disk and a cyst in fully developed speckle, log-compressed to 8 bits as in B-mode: (H, W) uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape) / np.reshape(shape, (2, 1, 1)) - 0.5
    tissue = np.where(np.hypot(y, x) < 0.3, 2.0, 1.0) * np.where(np.hypot(y - 0.2, x + 0.2) < 0.12, 0.1, 1.0)
    envelope = tissue * rng.rayleigh(1.0, shape)
    grey: Image = np.clip(150 + 60 * np.log10(envelope + 1e-3), 0, 255).astype(np.uint8)
    return grey


def label_maps(shape: tuple[int, ...]) -> Iterator[tuple[str, Labels]]:
    """Yield label maps (H, W) uint8 of a given shape: empty, one blob, many classes, full, noise."""
    height, width = shape[:2]
    rng = np.random.default_rng(4)
    y, x = np.indices((height, width))
    yield "no label", np.zeros((height, width), np.uint8)
    yield "blob", ((abs(y - height / 2) < height / 3) & (abs(x - width / 2) < width / 4)).astype(np.uint8)
    yield "stripes", (x // 4 % 4 + y // 5 % 2 * 200).astype(np.uint8)
    yield "all", np.full((height, width), 255, np.uint8)
    yield "noise", rng.integers(0, 3, (height, width), np.uint8)


def logits(classes: int, shape: tuple[int, int]) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    """Yield logits (1, K, h, w) float32: smooth as a network's are, noise, ties, huge, and with NaN and infinities."""
    rng = np.random.default_rng(5)
    y, x = np.indices(shape) / np.reshape(np.maximum(shape, 2), (2, 1, 1))
    smooth = np.stack([np.cos(3 * y * (k + 1) + k) * np.sin(4 * x + k) * 5 for k in range(classes)])[None].astype(np.float32)
    noise = rng.normal(0, 4, (1, classes, *shape)).astype(np.float32)
    broken = noise.copy()
    broken.flat[:: max(3, broken.size // 50)] = np.nan
    broken.flat[1 :: max(5, broken.size // 30)] = np.inf
    broken.flat[2 :: max(7, broken.size // 20)] = -np.inf
    yield "smooth", smooth
    yield "noise", noise
    yield "ties", np.round(noise / 4).astype(np.float32)
    yield "huge", noise * np.float32(1e37)
    yield "broken", broken
    yield "all NaN", np.full_like(noise, np.nan)
    yield "strided", np.asfortranarray(smooth)
