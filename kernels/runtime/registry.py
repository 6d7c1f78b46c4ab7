"""Registers kernels: a NumPy reference, test cases, and the backends that must agree with it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import update_wrapper
from inspect import signature
from typing import Any, Generic, ParamSpec, TypeVar

import numpy as np

from rtseg.errors import EngineError, ImageError

P = ParamSpec("P")
R = TypeVar("R")

KERNELS: "dict[str, Kernel[..., Any]]" = {}


@dataclass(frozen=True, slots=True)
class KernelCase:
    """Holds the arguments of one call on which tests and demos compare a kernel's backends."""

    name: str  # unique among the kernel's cases
    args: tuple[Any, ...]  # positional
    options: Mapping[str, Any] = field(default_factory=dict)  # keyword arguments


class Kernel(Generic[P, R]):
    """Dispatches a call to the backend for the first array: NumPy on the host, CUDA on a GPU.

    reference: the definition in NumPy. cases: seeded calls. atol: a backend's largest deviation from the reference, in units of
    the result. check: takes the same arguments and raises where they are wrong, so that every backend raises the same error.
    name: the key in KERNELS and in reports; the function's own name unless given.
    """

    def __init__(
        self,
        reference: Callable[P, R],
        cases: Callable[[], Iterable[KernelCase]],
        atol: float,
        check: Callable[P, None],
        name: str | None = None,
    ) -> None:
        update_wrapper(self, reference)
        self.name = name or reference.__name__
        self.reference, self.atol, self.backends = reference, atol, dict[str, Callable[P, R]]()
        self._cases, self.check = cases, check
        self._first = next(iter(signature(reference).parameters))

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        first: Any = args[0] if args else kwargs.get(self._first)  # where it is missing, the check raises
        if isinstance(first, np.ndarray):  # the common case comes first
            self.check(*args, **kwargs)
            return self.backends.get("numba", self.reference)(*args, **kwargs)
        if hasattr(first, "__rtseg_kernel__"):  # as NumPy's __array_function__: the array's type decides
            answer: R = first.__rtseg_kernel__(self, args, kwargs)
            return answer
        self.check(*args, **kwargs)
        return self._backend_at(backend_of(first))(*args, **kwargs)

    def backend(self, name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Register a backend: "numba" for arrays on the host, "cuda" for those on a GPU."""

        def register(function: Callable[P, R]) -> Callable[P, R]:
            self.backends[name] = function
            return function

        return register

    def cases(self) -> list[KernelCase]:
        """Return the seeded calls on which every backend is tested."""
        return list(self._cases())

    def _backend_at(self, place: str) -> Callable[P, R]:
        if place == "cuda" and place not in self.backends:
            raise EngineError(f"{self.name} has no CUDA backend in this build: build it with nvcc, or give it a NumPy array")
        return self.backends.get(place, self.reference)


def kernel(
    *, cases: Callable[[], Iterable[KernelCase]], atol: float, check: Callable[P, None], name: str | None = None
) -> Callable[[Callable[P, R]], Kernel[P, R]]:
    """Make the decorated NumPy function the definition of a kernel, and list it in KERNELS.

    name: the key in KERNELS and in reports; the function's own name unless given.
    """

    def define(reference: Callable[P, R]) -> Kernel[P, R]:
        made = Kernel(reference, cases, atol, check, name)
        KERNELS[made.name] = made
        return made

    return define


def backend_of(array: object) -> str:
    """Return the backend for an array: "cuda" for one on a GPU, "numba" for one on the host. Raises ImageError."""
    if isinstance(array, np.ndarray):
        return "numba"
    if hasattr(array, "__cuda_array_interface__"):
        return "cuda"
    raise ImageError(f"kernels take NumPy or CUDA arrays, not {type(array).__name__}: convert it with numpy.asarray")
