"""Select what changes the network's view before the network: speckle filters, CLAHE, log compression and persistence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from rtseg import kernels
from rtseg.engines.base import Array
from rtseg.engines.capabilities import FrameBuffers, HostBuffers
from rtseg.errors import ConfigError
from rtseg.kernels.network.fit import Box
from rtseg.session.speckle import FILTERS, SpeckleFilter, view_size

WHITE = 255.0  # the gray level that log compression leaves white


def _check_value(what: str, value: float, low: float, high: float) -> None:
    if isinstance(value, bool) or not low <= value <= high:  # False for NaN
        raise ConfigError(f"{what} is {value}: give a value from {low:g} to {high:g}")


@dataclass(frozen=True, slots=True)
class ContrastEqualization:
    """Equalizes the contrast of the view by CLAHE, see `kernels.clahe`. Raises ConfigError."""

    clip: float = 2.0
    """Limit of a histogram bin in multiples of the mean, 1 to 100; a higher one gives more contrast."""
    tiles: int = 8
    """Number of tiles along each side, 1 to 64."""

    def __post_init__(self) -> None:
        _check_value("the clip of clahe", self.clip, 1, 100)
        if self.tiles not in range(1, 65):
            raise ConfigError(f"the tiles of clahe are {self.tiles}: give a whole number from 1 to 64")
        object.__setattr__(self, "tiles", int(self.tiles))
        self.apply(np.zeros((16, 16), np.uint8))  # compiles the kernel, so that the stream does not stall later

    def apply(self, image: Array) -> Array:
        """Return a gray image (H, W) uint8 with its contrast equalized; on the device of the input."""
        return kernels.clahe(image, float(self.clip), self.tiles)


@dataclass(frozen=True, slots=True)
class LogCompression:
    """Compresses the view logarithmically: its gray levels are taken for linear amplitudes, 255 stays white.

    It serves sources that were not compressed, and networks that were trained on a smaller dynamic range. Raises ConfigError.
    """

    decibels: float = 60.0
    """Dynamic range from white to black in dB, 1 to 200; a larger one shows weaker echoes."""

    def __post_init__(self) -> None:
        _check_value("the dynamic range of log in dB", self.decibels, 1, 200)
        self.apply(np.zeros((16, 16), np.uint8))

    def apply(self, image: Array) -> Array:
        """Return a gray image (H, W) uint8, compressed; on the device of the input."""
        return kernels.log_compress(image, WHITE, float(self.decibels))


@dataclass(frozen=True, slots=True)
class Persistence:
    """Blends the view with those of earlier frames, as scanners do, see `kernels.persistence`. Raises ConfigError."""

    weight: float = 0.5
    """Weight of the new frame, 0.05 to 1; a smaller one persists longer."""

    def __post_init__(self) -> None:
        _check_value("the weight of persistence", self.weight, 0.05, 1)  # at 0 the first picture would stay forever
        image = np.zeros((16, 16), np.uint8)
        self.blend(image, image)

    def blend(self, image: Array, previous: Array) -> Array:
        """Return the blend of a gray image (H, W) uint8 with the previous result; on the device of the input."""
        return kernels.persistence(image, previous, float(self.weight))


Step: TypeAlias = SpeckleFilter | ContrastEqualization | LogCompression | Persistence

_STEPS: Mapping[str, tuple[type[ContrastEqualization | LogCompression | Persistence], tuple[str, ...]]] = {
    "clahe": (ContrastEqualization, ("clip", "tiles")),
    "persistence": (Persistence, ("weight",)),
    "log": (LogCompression, ("decibels",)),
}
STEP_NAMES = (*FILTERS, *_STEPS)


@dataclass(frozen=True, slots=True)
class Enhancement:
    """Holds the steps that change the network's view, in the order in which they are applied. Raises ConfigError."""

    steps: tuple[Step, ...]
    """Speckle filters, contrast equalization, log compression and persistence."""

    def __post_init__(self) -> None:
        if not self.steps:
            raise ConfigError(f"an enhancement has no step: give at least one of {', '.join(STEP_NAMES)}")

    @classmethod
    def parse(cls, texts: Sequence[str]) -> "Enhancement | None":
        """Parse the values of `--speckle` and `--enhance` in their order; None where there are none. Raises ConfigError."""
        return cls(tuple(map(parse_step, texts))) if texts else None

    def without_speckle(self) -> "Enhancement | None":
        """Return the steps that are no speckle filter, or None where none is left."""
        rest = tuple(step for step in self.steps if not isinstance(step, SpeckleFilter))
        return Enhancement(rest) if rest else None


ViewFilter: TypeAlias = SpeckleFilter | Enhancement


def single_filter(text: str) -> ViewFilter:
    """Parse one step, as `parse_step` does, to a session's filter. Raises ConfigError."""
    step = parse_step(text)
    return step if isinstance(step, SpeckleFilter) else Enhancement((step,))


def parse_step(text: str) -> Step:
    """Parse NAME, NAME:VALUE or NAME:OPTION=VALUE,... of a speckle filter, clahe, persistence or log. Raises ConfigError."""
    name, colon, rest = text.partition(":")
    if name in FILTERS:
        return SpeckleFilter.parse(text)
    if name not in _STEPS:
        raise ConfigError(f"there is no speckle filter or enhancement {name!r}: give one of {', '.join(STEP_NAMES)}")
    kind, options = _STEPS[name]
    values: dict[str, float] = {}
    for part in rest.split(",") if colon else ():
        option, number = part.split("=", 1) if "=" in part else (options[0], part)
        if option not in options or option in values:
            raise ConfigError(f"{name} has no option {part!r}, or has it twice: give {_example(name)}")
        values[option] = _number(name, number)
    return kind(**values)  # type: ignore[arg-type]  # a whole number of tiles is checked by the class


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"{text!r} is no number: give {_example(name)}") from None


def _example(name: str) -> str:
    kind, options = _STEPS[name]
    usual = kind()
    return f"{name}:" + ",".join(f"{option}={getattr(usual, option):g}" for option in options)


class StreamFilter:
    """Filters the network's view of one stream, and holds the pictures that persistence blends.

    buffers: hold these pictures in the engine's memory; on the host by default.
    """

    def __init__(self, buffers: FrameBuffers | None = None) -> None:
        self._buffers: FrameBuffers = buffers or HostBuffers()
        self._chosen: ViewFilter | None = None
        self.forget()

    def forget(self) -> None:
        """Treat the next frame as the first one."""
        self._view: tuple[type, Box, tuple[int, int]] | None = None
        self._previous: dict[int, Array] = {}  # by the place of a persistence in the steps
        self._pending: dict[int, Array] = {}

    def select(self, chosen: ViewFilter | None) -> "StreamFilter | None":
        """Select the filters of the next frame, and return this object, or None where there is nothing to filter."""
        if chosen != self._chosen:
            self._chosen = chosen
            self.forget()
        return self if chosen else None

    def view(self, image: Array, box: Box, size: tuple[int, int]) -> Array:
        """Return the box of a frame, gray and filtered, reduced to `size` (H, W) where that is smaller; on its device.

        A view of another box, size or device begins anew: nothing is blended across it.
        """
        view = type(image), box, size
        if view != self._view:
            self.forget()
            self._view = view
        picture = kernels.grey_view(image, box, view_size(box, size))
        for place, step in enumerate(_steps_of(self._chosen)):
            picture = self._persisted(place, step, picture) if isinstance(step, Persistence) else step.apply(picture)
        return picture

    def commit(self) -> None:
        """Keep the newest frame's pictures for the next frame; a corrupted frame is left out by not calling this."""
        for place, picture in self._pending.items():
            self._previous[place] = self._buffers.retain(f"persistence {place}", picture)
        self._pending = {}

    def _persisted(self, place: int, step: Persistence, picture: Array) -> Array:
        previous = self._previous.get(place)
        self._pending[place] = picture if previous is None else step.blend(picture, previous)
        return self._pending[place]


def _steps_of(chosen: ViewFilter | None) -> tuple[Step, ...]:
    if chosen is None:
        return ()
    return chosen.steps if isinstance(chosen, Enhancement) else (chosen,)
