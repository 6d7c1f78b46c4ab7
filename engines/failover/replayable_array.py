"""Defines arrays that record how they were computed, so that `FailoverEngine` can recompute them on another engine."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rtseg.frame import Labels


class ReplayProvider(Protocol):
    """Describes the owner of replayable arrays, which runs their computations on the current engine."""

    generation: int
    """A counter that is incremented at each change of engine."""

    def call_kernel(self, kernel: Any, args: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
        """Run a kernel whose first argument is a replayable array."""

    def download(self, labels: Any) -> Labels:
        """Copy the array to the host."""


class FailoverState:
    """Holds a recurrent state and the engine generation it belongs to; in another generation it counts as zeros."""

    __slots__ = ("generation", "state")

    def __init__(self, state: Any, generation: int) -> None:
        self.state, self.generation = state, generation


class ReplayableArray:
    """Represents an array that is recomputed after a change of engine."""

    __slots__ = ("_generation", "_make", "_provider", "_value")

    def __init__(self, provider: ReplayProvider, make: Callable[[], Any]) -> None:
        self._provider, self._make, self._generation, self._value = provider, make, -1, None

    def evaluate(self) -> "ReplayableArray":
        """Compute the array on the current engine, and return this object."""
        self.value()
        return self

    def value(self) -> Any:
        """Return the current engine's array, recomputed after a change of engine. Raises EngineError."""
        if self._generation != self._provider.generation:
            self._value, self._generation = self._make(), self._provider.generation
        return self._value

    def __rtseg_kernel__(self, kernel: Any, args: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
        return self._provider.call_kernel(kernel, args, options)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self._provider.download(self), dtype)

    def copy(self) -> npt.NDArray[Any]:
        """Return a copy on the host."""
        return np.array(self)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.value().shape)

    @property
    def dtype(self) -> Any:
        return self.value().dtype


def unwrap(array: Any) -> Any:
    """Return the current engine's array of a `ReplayableArray`; return any other array unchanged."""
    return array.value() if isinstance(array, ReplayableArray) else array
