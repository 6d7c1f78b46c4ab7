"""Arrays known by how they are made: what a kernel gives is worked out when somebody needs it, together with all else.

A kernel that is called with a `Deferred` first asks it (`__rtseg_kernel__`, as NumPy asks `__array_function__`); so the steps
around a network can be run, captured and replayed as one, while whoever calls the kernels notices nothing.
"""

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rtseg.errors import EngineError

Known = dict[Hashable, Any]  # arrays on the device, by key


class Keeper(Protocol):
    """Who works out deferred arrays."""

    def called(self, kernel: Any, args: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
        """What a kernel gives for arguments of which the first is deferred."""

    def described(self, array: "Deferred") -> tuple[tuple[int, ...], np.dtype[Any]]:
        """The shape and dtype of an array."""

    def on_host(self, array: "Deferred") -> npt.NDArray[Any]:
        """The array in host memory of the caller's own."""


class Deferred:
    """One such array. key: says all of how it is made; equal keys are equal arrays within one run."""

    __slots__ = ("args", "keeper", "key", "make", "options")

    def __init__(
        self,
        keeper: Keeper,
        key: Hashable,
        make: Callable[..., Any] | None = None,
        args: tuple[Any, ...] = (),
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.keeper, self.key, self.make, self.args, self.options = keeper, key, make, args, dict(options or {})

    def __rtseg_kernel__(self, kernel: Any, args: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
        return self.keeper.called(kernel, args, options)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.keeper.described(self)[0]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.keeper.described(self)[1]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self.keeper.on_host(self), dtype)

    def copy(self) -> npt.NDArray[Any]:
        """A copy on the host."""
        return self.keeper.on_host(self)

    def worked_out(self, known: Known, **further: Any) -> Any:
        """The array on the device, from those that are known already. further: options of its kernel."""
        if self.key not in known:
            args = [arg.worked_out(known) if isinstance(arg, Deferred) else arg for arg in self.args]
            if self.make is None:
                raise EngineError("an array is of an earlier frame, or its network has not run: download what must be kept")
            known[self.key] = self.make(*args, **self.options, **further)
        return known[self.key]


def key_of(name: str, args: tuple[Any, ...], options: Mapping[str, Any]) -> Hashable:
    """What tells one call of a kernel from another."""
    return (name, *map(_part, args), *((option, _part(value)) for option, value in sorted(options.items())))


def _part(value: Any) -> Hashable:
    if isinstance(value, Deferred):
        return value.key
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype.str, value.tobytes()
    return tuple(map(_part, value)) if isinstance(value, list | tuple) else value
