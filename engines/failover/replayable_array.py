"""Defines arrays that record how they were computed, so that `FailoverEngine` can recompute them on another engine."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rtseg.frame import Labels


class Keeper(Protocol):
    """Describes the owner of replayable arrays, which runs their computations on the current engine."""

    turn: int
    """A counter that is incremented at each change of engine."""

    def called(self, kernel: Any, args: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
        """Run a kernel whose first argument is a replayable array."""

    def download(self, labels: Any) -> Labels:
        """Copy the array to the host."""


class Memory:
    """Holds a recurrent state and the engine generation it belongs to; in another generation it counts as zeros."""

    __slots__ = ("state", "turn")

    def __init__(self, state: Any, turn: int) -> None:
        self.state, self.turn = state, turn


class Redone:
    """Represents an array that is recomputed after a change of engine."""

    __slots__ = ("_keeper", "_make", "_turn", "_value")

    def __init__(self, keeper: Keeper, make: Callable[[], Any]) -> None:
        self._keeper, self._make, self._turn, self._value = keeper, make, -1, None

    def known(self) -> "Redone":
        """Compute the array on the current engine, and return this object."""
        self.value()
        return self

    def value(self) -> Any:
        """Return the current engine's array, recomputed after a change of engine. Raises EngineError."""
        if self._turn != self._keeper.turn:
            self._value, self._turn = self._make(), self._keeper.turn
        return self._value

    def __rtseg_kernel__(self, kernel: Any, args: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
        return self._keeper.called(kernel, args, options)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self._keeper.download(self), dtype)

    def copy(self) -> npt.NDArray[Any]:
        """Return a copy on the host."""
        return np.array(self)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.value().shape)

    @property
    def dtype(self) -> Any:
        return self.value().dtype


def value_of(array: Any) -> Any:
    """Return the current engine's array of a `ReplayableArray`; return any other array unchanged."""
    return array.value() if isinstance(array, Redone) else array
