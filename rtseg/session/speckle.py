"""A speckle filter before the network: which of the kernels, and how strongly."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rtseg import kernels
from rtseg.engines.base import Array
from rtseg.errors import ConfigError
from rtseg.kernels.network.fit import Box
from rtseg.kernels.runtime.registry import Kernel


@dataclass(frozen=True, slots=True)
class Strength:
    """What makes a filter stronger, in the filter's own measure: the name of the kernel's option, and a slider's range."""

    kernel: Kernel[..., Any]
    option: str
    usual: float
    least: float
    most: float
    step: float


FILTERS: Mapping[str, Strength] = {
    "median": Strength(kernels.median, "size", 5, 3, 7, 2),  # of the window, in pixels
    "lee": Strength(kernels.lee, "noise", 0.15, 0, 1, 0.05),  # the speckle's deviation over its mean
    "kuan": Strength(kernels.kuan, "noise", 0.15, 0, 1, 0.05),
    "frost": Strength(kernels.frost, "damping", 2, 0, 10, 0.5),  # here, less of it smooths more
    "srad": Strength(kernels.srad, "iterations", 10, 1, 60, 1),
    "perona_malik": Strength(kernels.perona_malik, "iterations", 10, 1, 60, 1),
    "bilateral": Strength(kernels.bilateral, "contrast", 30, 1, 100, 1),  # grey levels that are averaged away
    "non_local_means": Strength(kernels.non_local_means, "strength", 4, 0.5, 16, 0.5),
}


@dataclass(frozen=True, slots=True)
class SpeckleFilter:
    """One of FILTERS and its strength, in the filter's own measure; None: as usual. Raises ConfigError.

    It works on what the network will see: the sector, grey, shrunk to the network's size. That is a fraction of the work of
    filtering the frame, and its windows mean the same on every scanner's screen.
    """

    name: str
    strength: float | None = None

    def __post_init__(self) -> None:
        if self.name not in FILTERS:
            raise ConfigError(f"there is no speckle filter {self.name!r}: give one of {', '.join(FILTERS)}")
        # Wrong strengths are told, and the kernel is compiled, in the thread that asks for it: the stream must not wait.
        self.apply(np.zeros((16, 16), np.uint8))

    @classmethod
    def parsed(cls, text: str) -> "SpeckleFilter":
        """What `--speckle NAME[:STRENGTH]` names. Raises ConfigError."""
        name, colon, strength = text.partition(":")
        try:
            return cls(name, float(strength) if colon else None)
        except ValueError as error:
            if isinstance(error, ConfigError):
                raise
            raise ConfigError(f"the strength of a speckle filter is not {strength!r}: give a number, as in lee:0.3") from None

    def apply(self, image: Array) -> Array:
        """A grey image (H, W) uint8 with less speckle, alike, where it lives."""
        kind = FILTERS[self.name]
        strength = kind.usual if self.strength is None else self.strength
        whole = float(strength).is_integer() and kind.step == int(kind.step)
        return kind.kernel(image, **{kind.option: int(strength) if whole else strength})

    def view(self, image: Array, box: Box, size: tuple[int, int]) -> Array:
        """The box of a frame, grey and filtered, shrunk to `size` (H, W) where that is smaller; where the frame lives."""
        return self.apply(kernels.grey_view(image, box, view_size(box, size)))


def view_size(box: Box, size: tuple[int, int]) -> tuple[int, int]:
    """The size (H, W) of a box's view: what is small is not enlarged."""
    return min(size[0], box[2]), min(size[1], box[3])
