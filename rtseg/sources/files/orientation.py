"""Turns images upright by the orientation letters of PLUS, or by the directions of their axes."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from rtseg.frame import Image

T = TypeVar("T")

_STANDING, _LYING = frozenset({"MF", "UF", "MN", "UN"}), frozenset({"FM", "FU", "NM", "NU"})


@dataclass(frozen=True, slots=True)
class Orientation:
    """Describes how a stored picture lies.

    `letters` are PLUS's `UltrasoundImageOrientation`: the direction of a row, then that of a column. M: to the marked side of
    the probe, U: to the unmarked side; F: far from the probe, N: near to it. A third letter is for volumes. MF is upright, and
    what PLUS's transforms assume. Letters that are known are used in place of the other fields.
    """

    letters: str = ""
    """As in the file, in any case."""
    is_mirrored: bool = False
    """Whether left and right are exchanged."""
    is_upside_down: bool = False
    """Whether top and bottom are exchanged."""
    is_exchanged: bool = False
    """Whether rows and columns are exchanged."""

    @property
    def has_known_letters(self) -> bool:
        """Return whether the letters are an orientation of PLUS."""
        return self.letters.upper()[:2] in _STANDING | _LYING

    @property
    def _is_transposed(self) -> bool:
        return self.letters.upper()[:2] in _LYING if self.has_known_letters else self.is_exchanged

    def to_upright(self, stored: tuple[T, T]) -> tuple[T, T]:
        """Return a stored pair (down, along), such as height and width, as that of the upright image."""
        return (stored[1], stored[0]) if self._is_transposed else stored

    def upright(self, image: Image) -> Image:
        """Return the image with the near side at its top and the marked side where MF has it."""
        letters, is_known = self.letters.upper()[:2], self.has_known_letters
        image = np.swapaxes(image, 0, 1) if self._is_transposed else image
        image = image[:, ::-1] if ("U" in letters if is_known else self.is_mirrored) else image
        return np.ascontiguousarray(image[::-1] if ("N" in letters if is_known else self.is_upside_down) else image)
