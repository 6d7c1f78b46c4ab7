"""Simulates smooth motion of a still as maps from output to source pixels, shared by image and mask."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.float32]  # (H, W)
Matrix = npt.NDArray[np.float64]  # (2, 3): output (x, y, 1) to source (x, y)

_GRID = 5  # nodes a side of the elastic fields


@dataclass(frozen=True, slots=True)
class Pulse:
    """Holds the parameters of a vessel that pulsates with the heart."""

    centre: tuple[float, float]  # (x, y) in source pixels
    radius: float  # in source pixels
    depth: float  # maximum displacement, as a share of the distance from the center
    rate: float  # beats a frame
    phase: float  # in beats

    def at(self, frame: float) -> float:
        """Return the dilation in [0, 1] at a time in frames: a fast rise and a slow fall."""
        turn = (frame * self.rate + self.phase) % 1.0
        return float(np.sin(np.pi * turn**0.5) ** 2)


class SimulatedMotion:
    """Maps output pixels to source pixels for each frame: placement, probe drift, slow elastic waves, and pulsation.

    place: the affine transform of the whole clip, (2, 3). drift: amplitude of the probe's motion, in hundredths of the longer
    side, of a radian and of the scale. elastic: standard deviation of the fixed tissue deformation, in hundredths of the longer
    side.
    """

    def __init__(self, size: tuple[int, int], place: Matrix, rng: np.random.Generator, drift: float, elastic: float) -> None:
        self._place, self._drift = place, drift
        self._x, self._y = np.meshgrid(np.arange(size[1], dtype=np.float32), np.arange(size[0], dtype=np.float32))
        stretch = elastic / 100 * max(size)
        self._still = _elastic(rng, size, stretch)
        self._waves = [_elastic(rng, size, 0.3 * stretch) for _ in range(2)]
        self._rates = rng.uniform(0.005, 0.03, (2, 4)), rng.uniform(0, 2 * np.pi, (2, 4))  # drift: x, y, turn, zoom
        self._wave_rates = rng.uniform(0.01, 0.04, 2), rng.uniform(0, 2 * np.pi, 2)

    def maps(self, frame: float, pulse: Pulse | None = None) -> tuple[Field, Field]:
        """Return the source x and y of every output pixel at a time in frames: two (H, W) float32 maps for cv2.remap."""
        (a, b, c), (d, e, f) = (self._place @ self._wander(frame)).astype(np.float32)
        swing = np.sin(2 * np.pi * self._wave_rates[0] * frame + self._wave_rates[1]).astype(np.float32)
        shift = self._still + swing[0] * self._waves[0] + swing[1] * self._waves[1]
        x, y = a * self._x + b * self._y + (c + shift[0]), d * self._x + e * self._y + (f + shift[1])
        return _pulsate(x, y, pulse, frame) if pulse else (x, y)

    def _wander(self, frame: float) -> Matrix:
        """Return the probe's drift at a time: a small similarity about the output's center, (3, 3)."""
        x, y, turn, zoom = self._drift * np.sin(2 * np.pi * self._rates[0] * frame + self._rates[1]).sum(0)
        centre = np.array([self._x[0, -1] / 2, self._y[-1, 0] / 2])
        target = centre + np.array([x, y]) / 100 * max(self._x.shape)
        about = similarity(turn / 100, 1 + zoom / 100, centre, target)
        return np.vstack([about, [0, 0, 1]])


def similarity(
    turn: float, zoom: float | tuple[float, float], centre: npt.ArrayLike, target: npt.ArrayLike, flip: bool = False
) -> Matrix:
    """Return the affine matrix (2, 3) that rotates, scales and optionally mirrors about `centre` and moves it to `target`.

    turn: in radians. zoom: one factor, or (x, y).
    """
    scale_x, scale_y = np.broadcast_to(zoom, 2)
    cos, sin = np.cos(turn), np.sin(turn)
    linear = np.array([[cos, -sin], [sin, cos]]) @ np.diag([-scale_x if flip else scale_x, scale_y])
    return np.hstack([linear, (np.asarray(target) - linear @ np.asarray(centre))[:, None]])


def _elastic(rng: np.random.Generator, size: tuple[int, int], pixels: float) -> npt.NDArray[np.float32]:
    """Return a smooth random displacement, (2, H, W), of about `pixels` standard deviation."""
    nodes = rng.normal(0, max(pixels, 1e-6), (2, _GRID, _GRID)).astype(np.float32)
    return np.stack([cv2.resize(grid, size[::-1], interpolation=cv2.INTER_CUBIC) for grid in nodes])


def _pulsate(x: Field, y: Field, pulse: Pulse, frame: float) -> tuple[Field, Field]:
    """Pull the source coordinates near the vessel towards its center, which widens it in the output."""
    dx, dy = x - np.float32(pulse.centre[0]), y - np.float32(pulse.centre[1])
    reach = np.float32(-0.5 / (1.3 * pulse.radius) ** 2)
    pull = np.float32(pulse.depth * pulse.at(frame)) * cv2.exp(reach * (dx * dx + dy * dy))
    return x - dx * pull, y - dy * pull
