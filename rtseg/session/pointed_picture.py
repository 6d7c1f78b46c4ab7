"""Checks whether a prompt points at something that can be followed in the picture on which it was placed."""

from dataclasses import dataclass

import cv2
import numpy as np

from rtseg.errors import ConfigError
from rtseg.frame import Frame, Life
from rtseg.session.prompts import Point, Prompt
from rtseg.session.sector import Sector

_BLACK = 4  # gray levels that noise and an encoder's rounding reach where nothing is shown
_AROUND = 8  # the part of the sector's smaller side around a point in which something must be shown, on each side of it


@dataclass(frozen=True, slots=True)
class PointedPicture:
    """Holds the picture that a user sees, and what is known about it."""

    frame: Frame
    """The frame."""
    sector: Sector
    """Where its ultrasound is."""
    life: Life
    """What the frame means for the memory of earlier ones."""

    @property
    def is_another_view(self) -> bool:
        """Return whether it does not continue the frames before."""
        return self.life in (Life.NEW, Life.CUT)

    def check(self, prompt: Prompt) -> None:
        """Raise ConfigError where a prompt does not point at ultrasound in this picture."""
        if self.life is Life.LOST:
            raise ConfigError(f"frame {self.frame.index} shows no contact of the probe: point at the object once there is one")
        if self.frame.damage:
            raise ConfigError(f"frame {self.frame.index} is damaged ({self.frame.damage}): point at the object in the next one")
        if prompt.mask is not None:
            self._check_mask(prompt)
        for point in (*prompt.points, *prompt.other_points):
            self._check_inside(point)
        for stroke in prompt.strokes:
            self._check_inside(stroke[len(stroke) // 2])
        if prompt.box is not None:
            left, top, width, height = prompt.box
            self._check_inside((left + width / 2, top + height / 2))
        for point in prompt.points:
            self._check_lit(point)

    def _check_mask(self, prompt: Prompt) -> None:
        size = (self.frame.height, self.frame.width)
        assert prompt.mask is not None
        if prompt.mask.shape != size:
            found = "x".join(map(str, prompt.mask.shape[::-1]))
            raise ConfigError(
                f"the mask is {found} and the picture {size[1]}x{size[0]} pixels: give a mask of the picture's size"
            )
        if not (prompt.mask & self.sector.mask()).any() and prompt.mask.any():
            raise ConfigError(f"the mask lies outside the ultrasound, {self._where()}: give one on it")

    def _check_inside(self, point: Point) -> None:
        x, y = point
        if not (0 <= x <= self.frame.width - 1 and 0 <= y <= self.frame.height - 1):
            size = f"{self.frame.width}x{self.frame.height}"
            raise ConfigError(f"the point {x:g},{y:g} lies outside the picture of {size} pixels: give one inside")
        outline = np.array(self.sector.outline, np.float32)
        if cv2.pointPolygonTest(outline, (float(x), float(y)), measureDist=False) < 0:
            raise ConfigError(f"the point {x:g},{y:g} lies outside the ultrasound, {self._where()}: give one on it")

    def _check_lit(self, point: Point) -> None:
        """Raise ConfigError where all around a point is black; fluid is black too, but tissue is near."""
        top, left, height, width = self.sector.box
        reach, (x, y) = max(4, min(height, width) // _AROUND), (round(point[0]), round(point[1]))
        rows = slice(max(top, y - reach), min(top + height, y + reach + 1))
        columns = slice(max(left, x - reach), min(left + width, x + reach + 1))
        if np.percentile(self.frame.image[rows, columns], 99) <= _BLACK:
            raise ConfigError(
                f"the point {point[0]:g},{point[1]:g} lies on black, where nothing is shown: point at a structure"
            )

    def _where(self) -> str:
        top, left, height, width = self.sector.box
        return f"which fills {width}x{height} pixels from {left},{top}"
