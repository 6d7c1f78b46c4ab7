"""Draw scanner screens: static text and bars, and a sector with moving speckle."""

import cv2
import numpy as np

from rtseg.frame import Frame


def speckle(shape, seed):
    """Return tissue (H, W) uint8 whose speckle is two or three pixels wide."""
    rng = np.random.default_rng((7, seed))
    echo = cv2.GaussianBlur(rng.rayleigh(1.0, shape).astype(np.float32), (0, 0), 1.0)
    return np.clip(90 * echo, 8, 255).astype(np.uint8)


def rectangle(shape, top, left, height, width):
    """Return a linear probe's sector (H, W) bool."""
    inside = np.zeros(shape, bool)
    inside[top : top + height, left : left + width] = True
    return inside


def fan(shape, apex, half_angle, nearest, farthest):
    """Return a sector (H, W) bool between two radii around `apex` (x, y)."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    radius, angle = np.hypot(x - apex[0], y - apex[1]), np.arctan2(x - apex[0], y - apex[1])
    return (np.abs(angle) <= half_angle) & (radius >= nearest) & (radius <= farthest)


def screen(inside, seed=0, *, ground=0, letters=True):
    """Return a screen (H, W): speckle in the sector, around it a bar with a name, settings and a gray scale."""
    picture = np.full(inside.shape, ground, np.uint8)
    if letters:
        _letter(picture)
    return np.where(inside, speckle(inside.shape, seed), picture)


def frames(inside, count, start=0, **options):
    """Return `count` frames of a live screen."""
    return [Frame(screen(inside, start + i, **options), start + i, 0) for i in range(count)]


def _letter(picture):
    height, width = picture.shape
    picture[: height // 12] = 70
    cv2.putText(picture, "DOE, JANE  1970-01-01", (10, height // 12 - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 230, 1)
    for row, text in enumerate(("Frq 10.0 MHz", "Gn 54", "D 2.5 cm", "FR 26 Hz")):
        cv2.putText(picture, text, (width - 110, 70 + 22 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.45, 200, 1)
    picture[60:160, 8:16] = np.linspace(250, 10, 100).astype(np.uint8)[:, None]
