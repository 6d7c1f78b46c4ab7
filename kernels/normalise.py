"""Grey levels to a network's numbers: colour to grey, times a gain, plus a shift, for loops.

Grey is BT.601 luma, 0.299 R + 0.587 G + 0.114 B.
"""

import numpy as np

from rtseg.frame import Image
from rtseg.kernels.cores import fused
from rtseg.kernels.memory import readable
from rtseg.kernels.resize import Floats
from rtseg.kernels.row_sums import ONE, THREE, TWO, Sums

Normal = Floats  # (3, planes): a value is multiplied by the first and the second is added; the third is black

RED, GREEN, BLUE = np.float32(0.299), np.float32(0.587), np.float32(0.114)  # BT.601 luma


def normal_of(mean: tuple[float, ...], std: tuple[float, ...], height: float, width: float) -> Normal:
    """What a sum of whole rows is multiplied by, what is added before whole columns are (height, width: weights), and black."""
    black = -np.asarray(mean) / np.asarray(std)
    return readable(np.stack([height * width / np.asarray(std), width * black, black]).astype(np.float32))


@fused
def normalise(
    pixels: Image | Sums | Floats,
    start: int,
    stride: int,
    channels: int,
    plane: int,
    normal: Normal,
    lines: Floats,
    to: int,
    step: int,
    rows: int,
    width: int,
) -> None:
    """Write a plane of pixels, times its gain and plus its shift; RGB for one plane becomes grey.

    The first of `rows` rows of `width` pixels begins at `start`, the next `stride` on; lines: at `to`, and `step` on.
    """
    gain, shift = normal[0, plane], normal[1, plane]
    red, green, blue = gain * RED, gain * GREEN, gain * BLUE
    for y in range(rows):
        here, there = np.uint64(start + y * stride), np.uint64(to + y * step)
        if channels == 1:
            for x in range(np.uint64(width)):
                lines[there + x] = gain * np.float32(pixels[here + x]) + shift
        elif normal.shape[1] == 1:
            for x in range(np.uint64(width)):
                at = here + THREE * x
                warm = red * np.float32(pixels[at]) + green * np.float32(pixels[at + ONE])
                lines[there + x] = warm + blue * np.float32(pixels[at + TWO]) + shift
        else:
            for x in range(np.uint64(width)):
                lines[there + x] = gain * np.float32(pixels[here + THREE * x + np.uint64(plane)]) + shift
