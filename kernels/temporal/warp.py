"""Warps planes of the previous frame to the current one by optical flow."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.errors import ImageError
from rtseg.kernels.network.logits import Floats
from rtseg.kernels.runtime import cases
from rtseg.kernels.runtime.arrays import as_read_only, check_logits, check_out, copy_if_overlapping, copy_to_out, out_or_empty
from rtseg.kernels.runtime.cpu import compiled
from rtseg.kernels.runtime.cuda import launch
from rtseg.kernels.runtime.device_array import copy_if_same_memory, out_or_device_array
from rtseg.kernels.runtime.registry import KernelCase, kernel

MotionField = npt.NDArray[np.float32]  # (h, w, 2): for each node of the new frame, its offset (x, y) in the old one

Corners = npt.NDArray[np.uint32]  # (4, w), unsigned: an index needs no check for negative values

ONE, STEP, TWO = np.float32(1), np.uint64(1), np.uint64(2)


def _cases() -> Iterator[KernelCase]:
    for classes, shape in [(1, (1, 1)), (1, (1, 7)), (2, (8, 1)), (3, (12, 9))]:
        for name, logits in cases.logits(classes, shape):
            planes = np.where(np.isinf(logits), np.float32(np.nan), logits)
            for motion, field in _fields(shape):
                yield KernelCase(f"{name}, {classes} of {shape}, {motion}", (planes, field))


def _fields(shape: tuple[int, int]) -> Iterator[tuple[str, MotionField]]:
    random = np.random.default_rng(6)
    yield "no motion", np.zeros((*shape, 2), np.float32)
    yield "two to the left, half down", np.full((*shape, 2), (2, -0.5), np.float32)
    yield "noise, far outside too", random.normal(0, 5, (*shape, 2)).astype(np.float32)
    broken = random.normal(0, 2, (*shape, 2)).astype(np.float32)
    broken.flat[::3], broken.flat[1::5] = np.nan, np.inf
    yield "broken", broken


def _check(planes: Floats, field: MotionField, *, out: Floats | None = None) -> None:
    check_logits(planes)
    if getattr(field, "dtype", None) != np.float32 or tuple(field.shape) != (*planes.shape[2:], 2):
        found = f"{getattr(field, 'dtype', type(field).__name__)} {tuple(getattr(field, 'shape', ()))}"
        raise ImageError(f"the motion is float32 (h, w, 2) of {tuple(planes.shape)}, not {found}: give it at their size")
    check_out(out, tuple(planes.shape), np.float32)


@kernel(name="carried", cases=_cases, atol=1e-5, check=_check)
def warp(planes: Floats, field: MotionField, *, out: Floats | None = None) -> Floats:
    """Warp planes (1, K, h, w) float32 of the previous frame to the current one, bilinearly, with the edge repeated.

    field: (h, w, 2) float32, for each node the offset (x, y) of its position in the previous frame, in nodes; NaN counts as the
    first column or row. Raises ImageError.
    """
    height, width = planes.shape[2:]
    y, x = np.indices((height, width), np.float32)
    (left, right, along), (upper, lower, down) = _neighbors(x + field[..., 0], width), _neighbors(y + field[..., 1], height)
    with np.errstate(invalid="ignore", over="ignore"):
        above = planes[..., upper, left] * (ONE - along) + planes[..., upper, right] * along
        below = planes[..., lower, left] * (ONE - along) + planes[..., lower, right] * along
        return copy_to_out((above * (ONE - down) + below * down).astype(np.float32), out)


def _neighbors(at: Floats, nodes: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats]:
    """Return the nodes before and after each position of an axis, and the fraction of the way between them."""
    last = np.float32(nodes - 1)
    at = np.where(at > 0, at, np.float32(0))
    at = np.where(at < last, at, last)
    before = at.astype(np.int64)
    return before, np.minimum(before + 1, nodes - 1), at - before.astype(np.float32)


@warp.backend("numba")
def _warp_numba(planes: Floats, field: MotionField, *, out: Floats | None = None) -> Floats:
    source = copy_if_overlapping(planes, out)
    result = out_or_empty(out, planes.shape, np.float32)
    width = planes.shape[3]
    _warp_planes(source[0], as_read_only(field), np.empty((4, width), np.uint32), np.empty((2, width), np.float32), result[0])
    return result


@compiled
def _warp_planes(planes: Floats, field: MotionField, corners: Corners, shares: Floats, result: Floats) -> None:
    """Warp planes (K, h, w) by a field (h, w, 2).

    corners: (4, w), shares: (2, w), scratch that `_locate_row` fills.
    """
    classes, height, _ = result.shape
    for y in range(height):
        _locate_row(field[y].reshape(-1), y, height, corners, shares)
        for k in range(classes):
            _interpolate_row(planes[k].reshape(-1), corners, shares, result[k, y])


@compiled
def _locate_row(motion: Floats, y: int, height: int, corners: Corners, shares: Floats) -> None:
    """Write the flat indices of the four nodes around each position of row y, and its fractions along x and y."""
    width = corners.shape[1]
    from_top, last_column, last_row, columns = np.float32(y), np.float32(width - 1), np.float32(height - 1), np.uint32(width)
    for x in range(np.uint64(width)):
        column = _clamped(np.float32(x) + motion[TWO * x], last_column)
        row = _clamped(from_top + motion[TWO * x + STEP], last_row)
        left, upper = np.floor(column), np.floor(row)
        shares[0, x], shares[1, x] = column - left, row - upper
        first = np.uint32(np.int32(upper)) * columns + np.uint32(np.int32(left))
        right, down = np.uint32(left < last_column), columns * np.uint32(upper < last_row)
        corners[0, x], corners[1, x] = np.uint32(first), np.uint32(first + right)
        corners[2, x], corners[3, x] = np.uint32(first + down), np.uint32(first + down + right)


@compiled
def _interpolate_row(plane: Floats, corners: Corners, shares: Floats, result: Floats) -> None:
    for x in range(np.uint64(result.size)):
        along, down = shares[0, x], shares[1, x]
        above = plane[corners[0, x]] * (ONE - along) + plane[corners[1, x]] * along
        below = plane[corners[2, x]] * (ONE - along) + plane[corners[3, x]] * along
        result[x] = above * (ONE - down) + below * down


@compiled
def _clamped(at: np.float32, last: np.float32) -> np.float32:
    """Clamp to 0..last; NaN becomes 0, since a comparison with it is false."""
    inside = at if at > 0 else np.float32(0)
    return inside if inside < last else last


@warp.backend("cuda")
def _warp_cuda(planes: Floats, field: MotionField, *, out: Floats | None = None) -> Any:
    result = out_or_device_array(out, planes.shape, np.float32, planes)
    launch("carried", copy_if_same_memory(planes, result), field, *planes.shape[1:], result)
    return result
