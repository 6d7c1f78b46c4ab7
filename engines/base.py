"""Defines the `Engine` protocol: an engine runs one network and passes its recurrent state in and out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from rtseg.engines.model_spec import METADATA_KEY, PLANES, ModelSpec, StateSpec
from rtseg.engines.ports import Ports, check_dtypes, check_ports, complete_spec
from rtseg.engines.state_write import check_write
from rtseg.frame import Image, Labels

__all__ = [
    "METADATA_KEY",
    "PLANES",
    "Array",
    "Engine",
    "Floats",
    "ModelSpec",
    "Ports",
    "State",
    "StateSpec",
    "SwapState",
    "check_dtypes",
    "check_ports",
    "check_write",
    "complete_spec",
    "in_host_memory",
]

Array: TypeAlias = Any  # a NumPy array on the CPU, a device array on a GPU: kernels run where it lies
Floats: TypeAlias = npt.NDArray[np.float32]
State: TypeAlias = Any  # opaque outside the engine that made it


@dataclass(frozen=True, slots=True)
class SwapState:
    """Holds the recurrent states in two sets of buffers: the network reads one and writes the other without a copy."""

    now: tuple[Any, ...]
    """The buffers that the next run reads."""
    spare: tuple[Any, ...]
    """The buffers that the next run writes; those of `now` for states that the network does not write."""

    @classmethod
    def of(cls, states: tuple[StateSpec, ...], zeros: Callable[[tuple[int, ...]], Any]) -> "SwapState":
        """Return a state of zeros. zeros: allocates a buffer of zeros of a shape."""
        now = tuple(zeros(state.shape) for state in states)
        return cls(now, tuple(zeros(one.shape) if one.output else buffer for one, buffer in zip(states, now, strict=True)))

    def swapped(self) -> "SwapState":
        """Return the state after a run, with the two sets exchanged."""
        return SwapState(self.spare, self.now)

    def host_arrays(self) -> tuple[Any, ...] | None:
        """Return the arrays that the next run reads, without a copy; None where they lie on a GPU."""
        return in_host_memory(self.now)


def in_host_memory(arrays: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """Return NumPy arrays for arrays of NumPy or tensors of OpenVINO, without a copy; None where one lies elsewhere."""
    found = tuple(array if isinstance(array, np.ndarray) else getattr(array, "data", None) for array in arrays)
    return found if all(isinstance(array, np.ndarray) for array in found) else None


class Engine(Protocol):
    """Runs one network, frame by frame.

    A state refers to the engine's own buffers: it stays valid until the second `infer` after the one that returned it.
    """

    @property
    def spec(self) -> ModelSpec:
        """Return the description of the network's inputs and outputs."""

    def initial_state(self) -> State:
        """Return a state of zeros in new buffers."""

    def upload(self, image: Image) -> Array:
        """Copy a frame's pixels (H, W) or (H, W, 3) uint8 to the device of the kernels and the network."""

    def infer(self, x: Array, state: State) -> tuple[Array, State]:
        """Run the network on x (1, C, H, W) float32.

        Returns logits (1, K, h, w) float32, valid until the next call, and the new state. Raises EngineError.
        """

    def write(self, state: State, name: str, values: Floats) -> State:
        """Write values (the shape of the state) float32 into the state with this input, and return the state to go on with.

        Call it between two frames; the given state is void afterwards. Raises ConfigError, see `check_write`.
        """

    def download(self, labels: Array) -> Labels:
        """Copy labels (H, W) uint8 to the host."""

    def close(self) -> None:
        """Release all resources; closing twice is harmless."""
