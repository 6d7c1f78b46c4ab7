"""Checks the shape and dtype of kernels' inputs and outputs, and prepares arrays for compiled loops."""

from numbers import Integral, Real
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.errors import ConfigError, ImageError
from rtseg.frame import Image

Array = npt.NDArray[Any]


def check_image(image: Any) -> None:
    """Raise ImageError unless `image` is a non-empty uint8 (H, W) or (H, W, 3) array, on the host or on a GPU."""
    _check_dtype("an image", image, np.uint8)
    if len(image.shape) not in (2, 3) or (len(image.shape) == 3 and image.shape[2] != 3) or 0 in image.shape:
        raise ImageError(f"an image is (H, W) or (H, W, 3) and not empty, not {tuple(image.shape)}: reshape it")


def check_plane(name: str, plane: Any, dtype: npt.DTypeLike = np.uint8) -> None:
    """Raise ImageError unless `plane` is a non-empty (H, W) array of `dtype`."""
    _check_dtype(name, plane, dtype)
    if len(plane.shape) != 2 or 0 in plane.shape:
        raise ImageError(f"{name} is (H, W) and not empty, not {tuple(plane.shape)}: give one plane")


def check_logits(logits: Any) -> None:
    """Raise ImageError unless `logits` is a non-empty (1, K, h, w) float32 array with K below 256."""
    _check_dtype("logits", logits, np.float32)
    if len(logits.shape) != 4 or logits.shape[0] != 1 or 0 in logits.shape or logits.shape[1] > 255:
        raise ImageError(
            f"logits are (1, K, h, w), not empty, K at most 255, not {tuple(logits.shape)}: export the model again"
        )


def check_out(out: Any, shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
    """Raise ImageError unless `out` is None or a writable C-contiguous array of this shape and dtype."""
    if out is None:
        return
    _check_dtype("out", out, dtype)
    if tuple(out.shape) != tuple(shape):
        raise ImageError(f"out is {tuple(out.shape)} and the result is {tuple(shape)}: allocate it with that shape")
    if isinstance(out, np.ndarray) and not (out.flags.c_contiguous and out.flags.writeable):
        raise ImageError("out is not a contiguous array that can be written to: allocate it with numpy.empty")


def check_range(name: str, value: Any, low: float, high: float) -> None:
    """Raise ConfigError unless low <= value <= high."""
    if not (isinstance(value, Real) and low <= float(value) <= high):
        raise ConfigError(f"{name} is {value!r}: give a value from {low:g} to {high:g}")


def check_count(name: str, value: Any, low: int, high: int) -> None:
    """Raise ConfigError unless `value` is an integer and low <= value <= high."""
    if not (isinstance(value, Integral) and low <= int(value) <= high):
        raise ConfigError(f"{name} is {value!r}: give a whole number from {low} to {high}")


def check_one_of(name: str, value: Any, choices: tuple[int, ...]) -> None:
    """Raise ConfigError unless `value` is one of the integers in `choices`."""
    if not isinstance(value, Integral) or value not in choices:
        raise ConfigError(f"{name} is {value!r}: give one of {', '.join(map(repr, choices))}")


def check_filter(image: Any, size: int, sizes: tuple[int, ...], out: Any) -> None:
    """Check the arguments that all window filters share.

    image: (H, W) uint8. size: of the window in pixels, one of `sizes`. out: None or an array for the result.
    Raises ImageError, ConfigError.
    """
    check_plane("a grey image", image)
    check_one_of("the window's size", size, sizes)
    check_out(out, tuple(image.shape), np.uint8)


def as_read_only(array: Array) -> Array:
    """Return a contiguous read-only view or copy: one array type, so that each loop is compiled once."""
    view = np.ascontiguousarray(array).view()
    view.setflags(write=False)
    return view


def copy_if_overlapping(array: Array, out: Array | None) -> Array:
    """Return the array as `as_read_only` does, copied where it may share memory with `out`.

    For loops that read neighbors of a pixel that they have already written.
    """
    return as_read_only(array if out is None or not np.may_share_memory(array, out) else array.copy())


def pad_with_edge(image: Image, radius: int) -> Image:
    """Return a gray image (H, W) padded by `radius` pixels of its repeated edge, contiguous and read-only."""
    source = np.ascontiguousarray(image)
    return as_read_only(np.asarray(cv2.copyMakeBorder(source, radius, radius, radius, radius, cv2.BORDER_REPLICATE)))


def sliding_windows(image: Image, size: int) -> npt.NDArray[np.float64]:
    """Return the window around each pixel, (H, W, size, size) float64, with the edge repeated: for the NumPy references."""
    padded = np.pad(image.astype(np.float64), size // 2, mode="edge")
    seen: npt.NDArray[np.float64] = np.lib.stride_tricks.sliding_window_view(padded, (size, size))
    return seen


def round_to_uint8(values: npt.NDArray[np.floating]) -> Image:
    """Round to the nearest gray level, 0 to 255, as uint8 of the same shape."""
    levels: Image = np.rint(values).clip(0, 255).astype(np.uint8)
    return levels


def out_or_empty(out: Array | None, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
    """Return `out`, or a new uninitialized array of this shape and dtype where it is None."""
    return np.empty(shape, dtype) if out is None else out


def copy_to_out(result: Array, out: Array | None) -> Array:
    """Return `out` with `result` copied into it, or `result` itself where `out` is None."""
    if out is None:
        return result
    out[...] = result
    return out


def _check_dtype(name: str, array: Any, dtype: npt.DTypeLike) -> None:
    if getattr(array, "dtype", None) != dtype or not hasattr(array, "shape"):
        found = getattr(array, "dtype", type(array).__name__)
        raise ImageError(f"{name} is a {np.dtype(dtype)} array, not {found}: convert it with astype")
