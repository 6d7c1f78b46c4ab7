"""Turns images upright by the orientation letters of PLUS."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from rtseg.frame import Image

T = TypeVar("T")

_STANDING, _LYING = frozenset({"MF", "UF", "MN", "UN"}), frozenset({"FM", "FU", "NM", "NU"})


@dataclass(frozen=True, slots=True)
class Orientation:
    """Holds PLUS's `UltrasoundImageOrientation`: the direction of a row, then that of a column.

    M: to the marked side of the probe, U: to the unmarked side; F: far from the probe, N: near to it. A third letter is for
    volumes. MF is upright, and what PLUS's transforms assume; unknown letters are treated as MF.
    """

    letters: str = ""  # as in the file, in any case

    @property
    def _is_transposed(self) -> bool:
        """Return whether rows and columns are exchanged in the file."""
        return self.letters.upper()[:2] in _LYING

    def to_upright(self, stored: tuple[T, T]) -> tuple[T, T]:
        """Return a stored pair (down, along), such as height and width, as that of the upright image."""
        return (stored[1], stored[0]) if self._is_transposed else stored

    def upright(self, image: Image) -> Image:
        """Return the image with the near side at its top and the marked side where MF has it."""
        letters = self.letters.upper()[:2]
        if letters not in _STANDING | _LYING:
            return image
        image = np.swapaxes(image, 0, 1) if self._is_transposed else image
        image = image[:, ::-1] if "U" in letters else image
        return np.ascontiguousarray(image[::-1] if "N" in letters else image)
