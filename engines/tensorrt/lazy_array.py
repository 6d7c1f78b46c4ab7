"""Defines lazy arrays, which are computed on demand and together with the other arrays of their frame.

A kernel that is called with a `LazyArray` calls its `__rtseg_kernel__` first, as NumPy calls `__array_function__`. So the
kernels around a network can be captured and replayed as one graph, without a change in the code that calls them.
"""

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rtseg.errors import EngineError

Known = dict[Hashable, Any]  # device arrays by key


class Keeper(Protocol):
    """Describes the engine that evaluates lazy arrays."""

    def called(self, kernel: Any, args: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
        """Return the result of a kernel whose first argument is a lazy array."""

    def described(self, array: "Deferred") -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Return the shape and dtype of an array."""

    def on_host(self, array: "Deferred") -> npt.NDArray[Any]:
        """Return a new copy of the array in host memory."""


class Deferred:
    """Represents an array by the kernel call that computes it.

    key: identifies the whole computation; within one run, arrays with equal keys are equal. make, args, options: the kernel
    and its arguments; None for an input.
    """

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
        """Return a copy on the host."""
        return self.keeper.on_host(self)

    def worked_out(self, known: Known, **further: Any) -> Any:
        """Compute the array on the device, reusing and extending `arrays`. further: additional options of its kernel."""
        if self.key not in known:
            args = [arg.worked_out(known) if isinstance(arg, Deferred) else arg for arg in self.args]
            if self.make is None:
                raise EngineError("an array is of an earlier frame, or its network has not run: download what must be kept")
            known[self.key] = self.make(*args, **self.options, **further)
        return known[self.key]


def key_of(name: str, args: tuple[Any, ...], options: Mapping[str, Any]) -> Hashable:
    """Return a key that identifies a kernel call by its name, arguments and options."""
    return (name, *map(_part, args), *((option, _part(value)) for option, value in sorted(options.items())))


def _part(value: Any) -> Hashable:
    if isinstance(value, Deferred):
        return value.key
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype.str, value.tobytes()
    return tuple(map(_part, value)) if isinstance(value, list | tuple) else value
