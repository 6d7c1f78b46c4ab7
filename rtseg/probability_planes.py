"""Defines the probabilities behind a segmentation, on the network's cells, from which the range of a measure is taken."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True, eq=False)
class ProbabilityPlanes:
    """Holds the probability of each class in the part of a frame that the network saw."""

    values: npt.NDArray[np.float32]
    """(K, h, w) in [0, 1], without the background."""
    box: tuple[int, int, int, int]
    """The part of the frame that they cover: top, left, height, width in pixels."""

    @property
    def shape(self) -> tuple[int, int]:
        """Return the number of cells (h, w)."""
        return self.values.shape[1], self.values.shape[2]
