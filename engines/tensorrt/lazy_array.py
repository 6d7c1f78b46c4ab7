"""Defines lazy arrays, which are computed on demand and together with the other arrays of their frame.

A kernel that is called with a `LazyArray` calls its `__rtseg_kernel__` first, as NumPy calls `__array_function__`. So the
kernels around a network can be captured and replayed as one graph, without a change in the code that calls them.
"""

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rtseg.errors import EngineError

ArraysByKey = dict[Hashable, Any]  # device arrays by key


class LazyEvaluator(Protocol):
    """Describes the engine that evaluates lazy arrays."""

    def call_kernel(self, kernel: Any, args: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
        """Return the result of a kernel whose first argument is a lazy array."""

    def shape_and_dtype(self, array: "LazyArray") -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Return the shape and dtype of an array."""

    def copy_to_host(self, array: "LazyArray") -> npt.NDArray[Any]:
        """Return a new copy of the array in host memory."""


class LazyArray:
    """Represents an array by the kernel call that computes it.

    key: identifies the whole computation; within one run, arrays with equal keys are equal. make, args, options: the kernel
    and its arguments; None for an input.
    """

    __slots__ = ("args", "evaluator", "key", "make", "options")

    def __init__(
        self,
        evaluator: LazyEvaluator,
        key: Hashable,
        make: Callable[..., Any] | None = None,
        args: tuple[Any, ...] = (),
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.evaluator, self.key, self.make, self.args, self.options = evaluator, key, make, args, dict(options or {})

    def __rtseg_kernel__(self, kernel: Any, args: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
        return self.evaluator.call_kernel(kernel, args, options)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.evaluator.shape_and_dtype(self)[0]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.evaluator.shape_and_dtype(self)[1]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self.evaluator.copy_to_host(self), dtype)

    def copy(self) -> npt.NDArray[Any]:
        """Return a copy on the host."""
        return self.evaluator.copy_to_host(self)

    def evaluate(self, arrays: ArraysByKey, **further: Any) -> Any:
        """Compute the array on the device, reusing and extending `arrays`. further: additional options of its kernel."""
        if self.key not in arrays:
            args = [arg.evaluate(arrays) if isinstance(arg, LazyArray) else arg for arg in self.args]
            if self.make is None:
                raise EngineError("an array is of an earlier frame, or its network has not run: download what must be kept")
            arrays[self.key] = self.make(*args, **self.options, **further)
        return arrays[self.key]


def call_key(name: str, args: tuple[Any, ...], options: Mapping[str, Any]) -> Hashable:
    """Return a key that identifies a kernel call by its name, arguments and options."""
    return (name, *map(_key_part, args), *((option, _key_part(value)) for option, value in sorted(options.items())))


def _key_part(value: Any) -> Hashable:
    if isinstance(value, LazyArray):
        return value.key
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype.str, value.tobytes()
    return tuple(map(_key_part, value)) if isinstance(value, list | tuple) else value
