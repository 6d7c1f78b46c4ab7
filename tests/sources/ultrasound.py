"""Makes small pictures that look like ultrasound: mostly gray, dark, with edges that show a flip or a wrong order."""

import numpy as np

HEIGHT, WIDTH, COUNT = 48, 64, 4


def gray(index):
    """Return picture `index`, (48, 64) uint8: a bright corner at the upper left and a block that moves to the right."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    picture = (30 + rows // 2 + columns // 4).astype(np.uint8)
    picture[:12, :16] = 220
    picture[20:28, 8 * index : 8 * index + 8] = 255
    return picture


def colored(index):
    """Return the same picture with a red and a blue patch, (48, 64, 3)."""
    picture = np.dstack([gray(index)] * 3)
    picture[30:, 40:], picture[36:, :10] = (210, 30, 20), (10, 40, 200)
    return picture


GRAY = np.stack([gray(index) for index in range(COUNT)])
COLORED = np.stack([colored(index) for index in range(COUNT)])


def farthest(images, expected):
    """Return the greatest mean difference of two series of pictures; 999 where their number or form differs."""
    if len(images) != len(expected):
        return 999
    differences = [
        float(np.abs(image.astype(int) - other).mean()) if image.shape == other.shape else 999
        for image, other in zip(images, expected, strict=True)
    ]
    return max(differences)
