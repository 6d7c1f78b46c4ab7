"""Which way a picture lies in its file, in PLUS's letters."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from rtseg.frame import Image

T = TypeVar("T")

_STANDING, _LYING = frozenset({"MF", "UF", "MN", "UN"}), frozenset({"FM", "FU", "NM", "NU"})


@dataclass(frozen=True, slots=True)
class Orientation:
    """PLUS's `UltrasoundImageOrientation`: the first letter tells where a row leads to, the second where a column does.

    M: to the marked side of the probe, U: to the unmarked one; F: far from the probe, N: near to it. A third letter tells of
    volumes. MF is upright, and what the transforms of PLUS mean; letters that are not known are taken for it.
    """

    letters: str = ""

    @property
    def _lies(self) -> bool:
        return self.letters.upper()[:2] in _LYING

    def turned(self, stored: tuple[T, T]) -> tuple[T, T]:
        """What goes down and what goes along the upright picture, such as its height and width."""
        return (stored[1], stored[0]) if self._lies else stored

    def upright(self, image: Image) -> Image:
        """The picture with the near side at its top and the marked side where MF has it."""
        letters = self.letters.upper()[:2]
        if letters not in _STANDING | _LYING:
            return image
        image = np.swapaxes(image, 0, 1) if self._lies else image
        image = image[:, ::-1] if "U" in letters else image
        return np.ascontiguousarray(image[::-1] if "N" in letters else image)
