"""Turns the ways in which TensorRT fails into errors of rtseg, so that another engine can take over (extra `tensorrt`).

The bindings raise TypeError for a factory that returns null ("factory function returned nullptr": a driver that is too old, or
another CUDA), RuntimeError, ValueError or MemoryError for C++ exceptions, and return None where TensorRT has logged an error.
"""

from collections.abc import Callable
from typing import TypeVar

from rtseg.errors import EngineError

Made = TypeVar("Made")

REASON = "TensorRT says why on standard error"

FAILURES = (TypeError, RuntimeError, ValueError, MemoryError)  # pybind11's translations of C++ exceptions and null


def guarded(what: str, call: Callable[[], Made | None], remedy: str) -> Made:
    """Return what a function of TensorRT returns. what: the start of the error, as "TensorRT cannot make a builder".

    Raises EngineError where the function raises one of FAILURES or returns None.
    """
    try:
        made = call()
    except FAILURES as error:
        raise EngineError(f"{what} ({error}; {REASON}): {remedy}") from error
    if made is None:
        raise EngineError(f"{what} ({REASON}): {remedy}")
    return made
