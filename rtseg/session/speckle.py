"""Select a speckle filter for the network's input, and its strength."""

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
class FilterStrength:
    """Describes the strength of a filter: the kernel's option that sets it, and the range of a slider for it."""

    kernel: Kernel[..., Any]
    """The filter."""
    option: str
    """Name of the kernel's option."""
    default: float
    """Default value of the option."""
    minimum: float
    """Smallest value of the slider."""
    maximum: float
    """Largest value of the slider."""
    step: float
    """Step of the slider; a whole number where the option is an integer."""


FILTERS: Mapping[str, FilterStrength] = {
    "median": FilterStrength(kernels.median, "size", 5, 3, 7, 2),  # side of the window, in pixels
    "lee": FilterStrength(kernels.lee, "noise", 0.15, 0, 1, 0.05),  # standard deviation of the speckle over its mean
    "kuan": FilterStrength(kernels.kuan, "noise", 0.15, 0, 1, 0.05),
    "frost": FilterStrength(kernels.frost, "damping", 2, 0, 10, 0.5),  # a smaller damping smooths more
    "srad": FilterStrength(kernels.srad, "iterations", 10, 1, 60, 1),
    "perona_malik": FilterStrength(kernels.perona_malik, "iterations", 10, 1, 60, 1),
    "bilateral": FilterStrength(kernels.bilateral, "contrast", 30, 1, 100, 1),  # gray levels of contrast that are averaged away
    "non_local_means": FilterStrength(kernels.non_local_means, "strength", 4, 0.5, 16, 0.5),
}


@dataclass(frozen=True, slots=True)
class SpeckleFilter:
    """Selects one of FILTERS and its strength. Raises ConfigError.

    The filter runs on the network's view: the sector, gray, reduced to the network's size. This costs a fraction of filtering
    the frame, and a window covers the same share of the anatomy on every scanner.
    """

    name: str
    """Key of FILTERS."""
    strength: float | None = None
    """Value of the kernel's option; None: its default."""

    def __post_init__(self) -> None:
        if self.name not in FILTERS:
            raise ConfigError(f"there is no speckle filter {self.name!r}: give one of {', '.join(FILTERS)}")
        # A trial run refuses wrong strengths and compiles the kernel here, so that the stream does not stall later.
        self.apply(np.zeros((16, 16), np.uint8))

    @classmethod
    def parse(cls, text: str) -> "SpeckleFilter":
        """Parse the value of `--speckle`, NAME[:STRENGTH]. Raises ConfigError."""
        name, colon, strength = text.partition(":")
        try:
            return cls(name, float(strength) if colon else None)
        except ValueError as error:
            if isinstance(error, ConfigError):
                raise
            raise ConfigError(f"the strength of a speckle filter is not {strength!r}: give a number, as in lee:0.3") from None

    def apply(self, image: Array) -> Array:
        """Return a gray image (H, W) uint8 with less speckle; on the device of the input."""
        kind = FILTERS[self.name]
        strength = kind.default if self.strength is None else self.strength
        whole = float(strength).is_integer() and kind.step == int(kind.step)
        return kind.kernel(image, **{kind.option: int(strength) if whole else strength})

    def view(self, image: Array, box: Box, size: tuple[int, int]) -> Array:
        """Return the box of a frame, gray and filtered, reduced to `size` (H, W) where that is smaller; on its device."""
        return self.apply(kernels.grey_view(image, box, view_size(box, size)))


def view_size(box: Box, size: tuple[int, int]) -> tuple[int, int]:
    """Return the size (H, W) of the view of a box; a small box is not enlarged."""
    return min(size[0], box[2]), min(size[1], box[3])
