"""Applies temporal persistence as scanners do: each image moves toward the new frame by a share of the difference."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from rtseg.errors import ImageError
from rtseg.frame import Image
from rtseg.kernels.runtime.arrays import as_read_only, check_image, check_out, check_range, copy_to_out, out_or_empty
from rtseg.kernels.runtime.cases import images
from rtseg.kernels.runtime.cpu import compiled, run_row_bands
from rtseg.kernels.runtime.cuda import launch
from rtseg.kernels.runtime.device_array import element_count, out_or_device_array
from rtseg.kernels.runtime.registry import KernelCase, kernel

WEIGHT_SCALE = 256  # a weight of 1 in fixed point


def _cases() -> Iterator[KernelCase]:
    for name, image in images():
        for weight in (0.0, 0.1, 0.5, 1.0):
            yield KernelCase(f"{name}, {weight}", (image, np.ascontiguousarray(image[::-1, ::-1]), weight))
    yield KernelCase(
        "both strided", (np.arange(60, dtype=np.uint8).reshape(6, 10)[::2, ::-3], np.zeros((6, 4), np.uint8)[::2], 0.5)
    )


def _check(image: Image, previous: Image, weight: float = 0.5, *, out: Image | None = None) -> None:
    check_image(image)
    check_image(previous)
    if tuple(image.shape) != tuple(previous.shape):
        raise ImageError(f"{tuple(image.shape)} cannot follow {tuple(previous.shape)}: start again from the new frame")
    check_range("the weight of the new frame", weight, 0, 1)
    check_out(out, tuple(image.shape), np.uint8)


@kernel(cases=_cases, atol=0, check=_check)
def persistence(image: Image, previous: Image, weight: float = 0.5, *, out: Image | None = None) -> Image:
    """Return previous + weight * (image - previous), rounded away from `previous`, so that a still scene is reached.

    image, previous: (H, W) gray or (H, W, 3) RGB uint8; the result is the `previous` of the next frame, and `out` may be
    either. weight: in [0, 1], in steps of 1/256; a smaller one persists longer. Raises ImageError, ConfigError.
    """
    difference = image.astype(np.int64) - previous
    moved = (abs(difference) * round(weight * WEIGHT_SCALE) + WEIGHT_SCALE - 1) // WEIGHT_SCALE
    return copy_to_out((previous + np.sign(difference) * moved).astype(np.uint8), out)


@persistence.backend("numba")
def _persistence_numba(image: Image, previous: Image, weight: float = 0.5, *, out: Image | None = None) -> Image:
    result = out_or_empty(out, image.shape, np.uint8)
    now, past = (as_read_only(array).reshape(len(image), -1) for array in (image, previous))
    then, part = result.reshape(len(image), -1), round(weight * WEIGHT_SCALE)
    run_row_bands(now.shape[0], now.shape[1], lambda first, end: _persist_rows(now, past, part, then, first, end))
    return result


@compiled
def _persist_rows(image: Image, previous: Image, part: int, result: Image, first: int, end: int) -> None:
    share = np.uint16(part)
    for y in range(first, end):
        now, past, target = image[y], previous[y], result[y]
        for x in range(target.size):
            more, less = max(now[x], past[x]), min(now[x], past[x])
            moved = np.uint8(np.uint16(np.uint16(np.uint16(more - less) * share) + np.uint16(WEIGHT_SCALE - 1)) >> 8)
            target[x] = past[x] + moved if now[x] > past[x] else past[x] - moved


@persistence.backend("cuda")
def _persistence_cuda(image: Image, previous: Image, weight: float = 0.5, *, out: Image | None = None) -> Any:
    result = out_or_device_array(out, image.shape, np.uint8, image)
    launch("persistence", image, previous, round(weight * WEIGHT_SCALE), element_count(image), result)
    return result
