"""Draw screens with a sector and a depth scale beside it."""

import cv2
import numpy as np

from rtseg.session.sector.shape import Sector, SectorKind

SIZE = (480, 640)
TOP, LEFT, HEIGHT, WIDTH = 40, 200, 400, 240
SECTOR = Sector(
    SectorKind.LINEAR,
    SIZE,
    ((float(LEFT), float(TOP)), (439.0, float(TOP)), (439.0, 439.0), (float(LEFT), 439.0)),
    0.9,
)


def screen(seed=0):
    """Return a screen (480, 640, 3) of living speckle in the sector, and nothing else."""
    image = np.zeros((*SIZE, 3), np.uint8)
    image[TOP : TOP + HEIGHT, LEFT : LEFT + WIDTH] = np.random.default_rng(seed).integers(30, 200, (HEIGHT, WIDTH, 1))
    return image


def draw(image, spacing, labels, *, x=460, first=TOP, every=2, side=1, flipped=False):
    """Draw ticks in steps of `spacing` pixels from the face down, every second one with the next of the labels."""
    count = int((HEIGHT - 1) / spacing) + 1
    for k in range(count):
        y = round(first + k * spacing if not flipped else TOP + HEIGHT - 1 - k * spacing)
        cv2.line(image, (x, y), (x + (10 if k % every == 0 else 5), y), (210, 210, 210), 1)
        if k and k % every == 0 and k // every <= len(labels):
            text = str(labels[k // every - 1])
            (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.4, 1)
            left = x + 18 if side > 0 else x - 8 - width
            cv2.putText(image, text, (left, y + height // 2), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (220, 220, 220), 1, cv2.LINE_AA)
    return image
