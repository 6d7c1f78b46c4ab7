"""Generate views of tissue, and later frames of the same view."""

import cv2
import numpy as np


def view(seed: int, shape: tuple[int, int] = (300, 360)) -> np.ndarray:
    """Return tissue of blobs in several sizes, different for each seed."""
    rng = np.random.default_rng(seed)
    tissue = sum(cv2.GaussianBlur(rng.normal(0, 1, shape).astype(np.float32), (0, 0), size) * size for size in (3, 6, 12, 24))
    return np.clip(110 + 80 * tissue, 0, 255).astype(np.uint8)


def seen_again(image: np.ndarray, seed: int) -> np.ndarray:
    """Return a later frame of the view: shifted, rotated, slightly larger, darker, with other noise."""
    height, width = image.shape
    move = cv2.getRotationMatrix2D((width / 2, height / 2), 5, 1.06)
    move[:, 2] += (9, -5)
    moved = cv2.warpAffine(image, move, (width, height), borderMode=cv2.BORDER_REFLECT)
    return np.clip(0.8 * moved + np.random.default_rng(seed).normal(0, 4, image.shape), 0, 255).astype(np.uint8)
