"""Draws what a user points at as maps for a network: points, scribbles, a box or a mask, and what does not belong to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.errors import ConfigError
from rtseg.kernels.network.fit import Fit

Point: TypeAlias = tuple[float, float]  # (x, y) in pixels
Maps: TypeAlias = npt.NDArray[np.float32]

POINT_RADIUS_PX = 3.0  # of a point in the maps, which have half the resolution of the network's input
BOX_LEVEL = 0.5  # of what a box holds: less certain than a point


@dataclass(frozen=True, slots=True)
class Prompt:
    """Holds what a user says about one object, in pixels of a picture. Raises ConfigError where it says nothing."""

    points: tuple[Point, ...] = ()
    """Points that belong to the object."""
    other_points: tuple[Point, ...] = ()
    """Points that do not."""
    strokes: tuple[tuple[Point, ...], ...] = ()
    """Scribbles on the object, each a line of points."""
    box: tuple[float, float, float, float] | None = None
    """Left, top, width and height of a box about the object."""
    mask: npt.NDArray[np.bool_] | None = None
    """(H, W), true on the object."""

    def __post_init__(self) -> None:
        if not (self.shows_object or self.other_points):
            raise ConfigError("the prompt shows no object: give a point, a scribble, a box or a mask on it")
        values = [*self.points, *self.other_points, *(point for stroke in self.strokes for point in stroke), self.box or (0.0,)]
        if not all(np.isfinite(value).all() for value in values):
            raise ConfigError("the prompt has a coordinate that is NaN or infinite: give pixels")
        if self.box is not None and min(self.box[2:]) <= 0:
            raise ConfigError(f"the box is {self.box[2]:g} x {self.box[3]:g} pixels: give left, top, width, height above 0")

    @property
    def shows_object(self) -> bool:
        """Return whether it shows what belongs to the object; else it only takes something away from it."""
        return bool(self.points or self.strokes or self.box or (self.mask is not None and self.mask.any()))


def placed_by(fit: Fit, size: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Return the affine matrix (2, 3) from pixels (x, y) of the picture to those of maps of `size` (h, w) over the input."""
    rows = []
    for axis in (1, 0):
        scale, unit = fit.inner[axis + 2] / fit.box[axis + 2], size[axis] / fit.size[axis]
        offset = (fit.inner[axis] + (0.5 - fit.box[axis]) * scale) * unit - 0.5
        rows.append((scale * unit, offset))
    (along, x), (down, y) = rows
    return np.array([[along, 0, x], [0, down, y]])


def prompt_maps(prompt: Prompt, placed: npt.NDArray[np.float64], size: tuple[int, int]) -> Maps:
    """Return maps (2, h, w) in 0..1 of what belongs to the object and what does not.

    placed: the affine matrix (2, 3) from pixels of the picture to those of the maps. size: (h, w) of the maps.
    """
    belongs, other = np.zeros(size, np.float32), np.zeros(size, np.float32)
    if prompt.mask is not None:
        mask = cv2.warpAffine(_smoothed(prompt.mask, placed), placed, size[::-1], flags=cv2.INTER_LINEAR)
        np.maximum(belongs, mask, out=belongs)
    if prompt.box is not None:
        left, top, width, height = prompt.box
        corners = _placed([(left, top), (left + width, top + height)], placed)
        boxed = np.zeros(size, np.float32)
        cv2.rectangle(boxed, tuple(corners[0]), tuple(corners[1]), BOX_LEVEL, cv2.FILLED)
        np.maximum(belongs, boxed, out=belongs)
    for stroke in prompt.strokes:
        cv2.polylines(belongs, [_placed(stroke, placed)], isClosed=False, color=1.0, thickness=round(2 * POINT_RADIUS_PX))
    for plane, points in ((belongs, prompt.points), (other, prompt.other_points)):
        for x, y in _placed(points, placed) if points else ():
            cv2.circle(plane, (int(x), int(y)), round(POINT_RADIUS_PX), 1.0, cv2.FILLED)
    return np.stack([belongs, other])


def _smoothed(mask: npt.NDArray[np.bool_], placed: npt.NDArray[np.float64]) -> Maps:
    """Return a mask averaged over what becomes one pixel of the maps, so that a thin one does not fall between them."""
    along, down = (max(1, int(1 / scale) | 1) if scale < 0.4 else 1 for scale in (placed[0, 0], placed[1, 1]))
    return np.asarray(cv2.blur(mask.astype(np.float32), (along, down)), np.float32)


def _placed(points: Sequence[Point], placed: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
    moved = np.asarray(points, np.float64) @ placed[:, :2].T + placed[:, 2]
    return np.clip(np.rint(moved), -(1 << 14), 1 << 14).astype(np.int32)
