"""Smooths arrays exponentially in time: out = weight * current + (1 - weight) * previous."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from rtseg.errors import ImageError
from rtseg.kernels.network.logits import Floats
from rtseg.kernels.runtime import cases
from rtseg.kernels.runtime.arrays import as_read_only, check_out, check_range, copy_to_out, out_or_empty
from rtseg.kernels.runtime.cpu import compiled
from rtseg.kernels.runtime.cuda import launch
from rtseg.kernels.runtime.device_array import out_or_device_array
from rtseg.kernels.runtime.registry import KernelCase, kernel


def _cases() -> Iterator[KernelCase]:
    for shape in [(1, 1), (1, 7), (12, 9)]:
        for (name, current), (past, previous) in zip(cases.logits(2, shape), [*cases.logits(2, shape)][::-1], strict=True):
            for weight in (0.0, 0.3, 1.0):
                yield KernelCase(f"{name} after {past} {shape}, {weight}", (current, previous, weight))


def _check(current: Floats, previous: Floats, weight: float, *, out: Floats | None = None) -> None:
    for name, array in [("current", current), ("previous", previous)]:
        if getattr(array, "dtype", None) != np.float32:
            raise ImageError(f"{name} is float32, not {getattr(array, 'dtype', type(array).__name__)}: convert it with astype")
    if tuple(current.shape) != tuple(previous.shape):
        raise ImageError(f"{tuple(current.shape)} cannot be smoothed with {tuple(previous.shape)}: start from the current one")
    check_range("the weight of the current frame", weight, 0, 1)
    check_out(out, tuple(current.shape), np.float32)


@kernel(cases=_cases, atol=1e-5, check=_check)
def smooth(current: Floats, previous: Floats, weight: float, *, out: Floats | None = None) -> Floats:
    """Smooth logits or probabilities in time: float32 of any shape.

    weight: of `current`, in [0, 1]. Where one of the two values is NaN or infinite the other is taken, so that one broken frame
    does not affect the next ones. `out` may be either input. Raises ImageError, ConfigError.
    """
    share = np.float32(weight)
    with np.errstate(invalid="ignore", over="ignore"):
        mixed = current * share + previous * (np.float32(1) - share)
    mixed = np.where(np.isfinite(previous), mixed, current)
    return copy_to_out(np.where(np.isfinite(current), mixed, previous), out)


@smooth.backend("numba")
def _smooth_numba(current: Floats, previous: Floats, weight: float, *, out: Floats | None = None) -> Floats:
    result = out_or_empty(out, current.shape, np.float32)
    _smooth_all(as_read_only(current).reshape(-1), as_read_only(previous).reshape(-1), np.float32(weight), result.reshape(-1))
    return result


@compiled
def _smooth_all(current: Floats, previous: Floats, weight: np.float32, result: Floats) -> None:
    rest = np.float32(1) - weight
    for i in range(result.size):
        now, past = current[i], previous[i]
        mixed = now * weight + past * rest
        mixed = mixed if np.isfinite(past) else now
        result[i] = mixed if np.isfinite(now) else past


@smooth.backend("cuda")
def _smooth_cuda(current: Floats, previous: Floats, weight: float, *, out: Floats | None = None) -> Any:
    result = out_or_device_array(out, current.shape, np.float32, current)
    launch("smooth", current, previous, weight, int(np.prod(current.shape)), result)
    return result
