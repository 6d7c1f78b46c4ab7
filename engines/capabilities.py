"""What some engines can beyond `Engine`: keep arrays from frame to frame, be sent a frame ahead, tell their device's time."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from rtseg.engines.base import Array, Engine
from rtseg.frame import Image

Floats = npt.NDArray[np.float32]


@runtime_checkable
class Keeping(Protocol):
    """Who has arrays that are good for one frame alone, as an engine whose every frame runs one prepared step."""

    def bring(self, name: str, values: Floats) -> Array:
        """Numbers that change with each frame, where the kernels run; before `infer`, under the same name each time."""

    def keep(self, name: str, array: Array) -> Array:
        """The same array for the next frames, good until the second `keep` of this name after this one."""


@runtime_checkable
class Ahead(Protocol):
    """An engine to which the next frame may be sent while it works on the one before."""

    def prefetch(self, image: Image) -> None:
        """Begin to bring up the frame that `upload` is given next; from any thread."""


@runtime_checkable
class Timed(Protocol):
    """An engine whose device has a clock of its own."""

    def device_ns(self) -> Mapping[str, int]:
        """How long each part of the newest frame took on the device, in nanoseconds; waits for it."""


class OnHost:
    """On the host an array lives as long as somebody holds it."""

    def bring(self, name: str, values: Floats) -> Array:  # noqa: ARG002  here, numbers are where they are needed
        """The numbers themselves."""
        return values

    def keep(self, name: str, array: Array) -> Array:  # noqa: ARG002  each has memory of its own
        """A copy: an engine's logits are good until its next call alone."""
        return np.array(array)


def keeper_of(engine: Engine) -> Keeping:
    """Who keeps the arrays that the kernels make of an engine's logits."""
    return engine if isinstance(engine, Keeping) else OnHost()
