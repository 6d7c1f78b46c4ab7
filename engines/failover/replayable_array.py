"""Arrays that remember how they were made, so that another engine can make them again: for failover.py."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rtseg.frame import Labels


class Keeper(Protocol):
    """Who knows which engine is at work. turn: grows with each change of engine."""

    turn: int

    def called(self, kernel: Any, args: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
        """What a kernel gives for arguments of which the first is such an array."""

    def download(self, labels: Any) -> Labels:
        """The array on the host."""


class Memory:
    """A state of whichever engine was at work in its turn; in another turn it is the memory of nothing."""

    __slots__ = ("state", "turn")

    def __init__(self, state: Any, turn: int) -> None:
        self.state, self.turn = state, turn


class Redone:
    """An array that is made again when its engine has given way."""

    __slots__ = ("_keeper", "_make", "_turn", "_value")

    def __init__(self, keeper: Keeper, make: Callable[[], Any]) -> None:
        self._keeper, self._make, self._turn, self._value = keeper, make, -1, None

    def known(self) -> "Redone":
        """Itself, once the engine has made it."""
        self.value()
        return self

    def value(self) -> Any:
        """The array where the engine at work has it. Raises EngineError."""
        if self._turn != self._keeper.turn:
            self._value, self._turn = self._make(), self._keeper.turn
        return self._value

    def __rtseg_kernel__(self, kernel: Any, args: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
        return self._keeper.called(kernel, args, options)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self._keeper.download(self), dtype)

    def copy(self) -> npt.NDArray[Any]:
        """A copy on the host."""
        return np.array(self)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.value().shape)

    @property
    def dtype(self) -> Any:
        return self.value().dtype


def value_of(array: Any) -> Any:
    """What the engine at work has for an array, ours or not."""
    return array.value() if isinstance(array, Redone) else array
