"""Draws pictures that encode their own number, which survives lossy coding."""

import cv2
import numpy as np

BITS, ROWS = 16, 16


def picture(number, size=(144, 256)):
    """Draw the `number`-th gray picture (H, W) uint8: its bits as black and white blocks on top, and a moving ramp below."""
    height, width = size
    ramp = np.roll(np.linspace(30, 220, width, dtype=np.float32), 2 * number)
    below = cv2.GaussianBlur(np.tile(ramp, (height, 1)), (0, 0), 2)
    pixels = below.astype(np.uint8)
    bits = np.array([255 * (number >> bit & 1) for bit in range(BITS)], np.uint8)
    pixels[:ROWS] = cv2.resize(bits[None], (width, ROWS), interpolation=cv2.INTER_NEAREST)
    return pixels


def number_of(image):
    """Decode the number of a gray or color picture."""
    grey = image if image.ndim == 2 else image[..., 1]
    width = grey.shape[1]
    columns = [round((bit + 0.5) * width / BITS) for bit in range(BITS)]
    return sum((int(grey[4:12, x - 2 : x + 3].mean()) > 127) << bit for bit, x in enumerate(columns))
