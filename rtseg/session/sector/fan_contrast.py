"""Measure how well the sides of a fan divide lit pixels from dark ones: the inner loop of the fan's alignment."""

from math import cos, sin

import numpy as np

from rtseg.kernels.runtime.arrays import as_read_only
from rtseg.kernels.runtime.cpu import compiled
from rtseg.session.sector.evidence import BinaryImage
from rtseg.session.sector.shape import Shares

_DEPTHS = as_read_only(np.array([1.5, 3.5, 6.0, -2.5, -4.5]))  # pixels inwards from a side
_INSIDE = 3  # of them lie inside
_OUTSIDE_WEIGHT = 1.5  # of lit pixels outside a side: tissue may be dark at its rim, the ground is not lit


def side_contrast(
    support: BinaryImage, apex: tuple[float, float], half_angle: float, lean: float, span: tuple[float, float], samples: int
) -> float:
    """Return the lit share just inside both sides of a fan less 1.5 times that just outside, -3 to 2.

    support (H, W): 1 where pixels are lit. apex: x, y. half_angle, lean: radians, see `FanShape`. span: the radii in pixels
    between which `samples` points of each side are looked at.
    """
    return float(_side_contrast(support, *apex, half_angle, lean, *span, samples, _DEPTHS))


@compiled
def _side_contrast(
    support: BinaryImage,
    x: float,
    y: float,
    half_angle: float,
    lean: float,
    near: float,
    far: float,
    samples: int,
    depths: Shares,
) -> float:
    height, width = support.shape
    inside = outside = 0
    for sign in (-1.0, 1.0):
        angle = lean + sign * half_angle
        across, along = sin(angle), cos(angle)
        for k in range(samples):
            radius = near + (far - near) * k / (samples - 1)
            for d in range(depths.size):
                column = int(np.floor(x + across * radius - sign * along * depths[d] + 0.5))
                row = int(np.floor(y + along * radius + sign * across * depths[d] + 0.5))
                if 0 <= row < height and 0 <= column < width and support[row, column]:
                    if d < _INSIDE:
                        inside += 1
                    else:
                        outside += 1
    return inside / (_INSIDE * samples) - _OUTSIDE_WEIGHT * outside / ((depths.size - _INSIDE) * samples)
