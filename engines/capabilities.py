"""Declares optional engine capabilities: frame buffers, prefetching, device timers and replacement after a failure."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np

from rtseg.engines.base import Array, Engine, Floats
from rtseg.frame import Image


@runtime_checkable
class FrameBuffers(Protocol):
    """Describes an engine whose arrays are valid for the current frame only, e.g. because it replays a CUDA graph."""

    def upload_values(self, name: str, values: Floats) -> Array:
        """Copy per-frame values to the device; call it before `infer`, with the same name for each frame."""

    def retain(self, name: str, array: Array) -> Array:
        """Retain an array for later frames; the result stays valid until the second further call with this name."""


@runtime_checkable
class Prefetching(Protocol):
    """Describes an engine that can upload the next frame while it processes the current one."""

    def prefetch(self, image: Image) -> None:
        """Start the upload of the frame that is passed to the next `upload`; callable from any thread."""


@runtime_checkable
class Capturing(Protocol):
    """Describes an engine that records its work during the first frames of a kind, and replays it for later ones."""

    warm_up_frames: int
    """The number of frames after which all is recorded."""


@runtime_checkable
class DeviceTimer(Protocol):
    """Describes an engine that measures times on its device."""

    def device_ns(self) -> Mapping[str, int]:
        """Return the newest frame's device time per part in nanoseconds; blocks until the frame is finished."""


@runtime_checkable
class Replaceable(Protocol):
    """Describes an engine that stands for several; after a change, earlier states and arrays are void."""

    changes: int
    """The number of changes so far, by which each of several sessions notices one."""

    def take_over(self) -> bool:
        """Let a better engine take over between two frames; return whether one did."""

    def replace(self, error: Exception) -> None:
        """Replace the engine that raised `error` on a frame, which is then repeated. Raises RtsegError where none is left."""


@runtime_checkable
class Shareable(Protocol):
    """Describes an engine whose compiled network can serve several sessions at the same time."""

    def share(self) -> Engine:
        """Return another engine on the same compiled network, with buffers of its own; each is closed by itself.

        The two may run at the same time, each in one thread. Raises EngineError where the engine is closed.
        """


@runtime_checkable
class HostState(Protocol):
    """Describes a recurrent state that can be read on the host at no cost."""

    def host_arrays(self) -> tuple[Array, ...] | None:
        """Return one array for each state of the spec, valid as long as the state is; None where they are elsewhere."""


class HostBuffers:
    """Implements `FrameBuffers` for host arrays, whose lifetime Python manages."""

    def upload_values(self, name: str, values: Floats) -> Array:  # noqa: ARG002  values are on the host already
        """Return the values unchanged."""
        return values

    def retain(self, name: str, array: Array) -> Array:  # noqa: ARG002  each copy has its own memory
        """Return a copy, because an engine's logits are valid only until its next call."""
        return np.array(array)


def frame_buffers_of(engine: Engine) -> FrameBuffers:
    """Return the frame buffers of an engine: the engine itself, or `HostBuffers` where it has none."""
    return engine if isinstance(engine, FrameBuffers) else HostBuffers()
