"""Converts between beams and the fan of a curved or phased-array probe, bilinearly."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.errors import ConfigError
from rtseg.frame import Image
from rtseg.kernels.runtime.arrays import (
    as_read_only,
    check_out,
    check_plane,
    copy_if_overlapping,
    copy_to_out,
    out_or_empty,
    round_to_uint8,
)
from rtseg.kernels.runtime.cases import gray_images
from rtseg.kernels.runtime.cpu import compiled, run_row_bands
from rtseg.kernels.runtime.cuda import launch, stream_of
from rtseg.kernels.runtime.device_array import DeviceArray, DeviceMemoryPool, element_count, out_or_device_array, pool
from rtseg.kernels.runtime.registry import KernelCase, kernel

Doubles = npt.NDArray[np.float64]
CornerTable = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32]]

SUBPIXELS = 256  # subpixel steps along each axis


@dataclass(frozen=True, slots=True)
class Fan:
    """Describes a fan-shaped sector of an image. Raises ConfigError where it is empty.

    Angles are 0 downward and positive toward the right of the image.
    """

    apex: tuple[float, float]  # (y, x) in pixels of the point where the beams meet; above the image for a curved probe
    near: float  # distance of the first sample from the apex in pixels
    far: float  # distance of the last sample from the apex in pixels
    left: float  # angle of the first beam in radians
    right: float  # angle of the last beam in radians

    def __post_init__(self) -> None:
        if not (0 <= self.near < self.far < 1e6 and -np.pi <= self.left < self.right <= np.pi):
            raise ConfigError(f"{self} is no fan: give 0 <= near < far in pixels and -pi <= left < right <= pi in radians")


def _fans() -> Iterator[tuple[str, Fan]]:
    yield "sector", Fan((-2.0, 20.0), 5.0, 40.0, -0.6, 0.6)
    yield "whole circle", Fan((12.3, 14.7), 0.0, 9.5, -np.pi, np.pi)
    yield "outside", Fan((-500.0, 0.0), 1.0, 20.0, -0.1, 0.2)


def _cases() -> Iterator[KernelCase]:
    for image_name, image in gray_images():
        for name, fan in _fans():
            for shape in [(31, 45), (1, 1), (1, 7)]:
                yield KernelCase(f"{image_name}, {name}, {shape}", (image, fan, shape))


def _check(image: Image, fan: Fan, shape: tuple[int, int], *, out: Image | None = None) -> None:
    check_plane("a grey image", image)
    if len(shape) != 2 or min(shape) < 1 or max(shape) > 1 << 15:
        raise ConfigError(f"the result's shape is {shape}: give (H, W) in pixels")
    check_out(out, shape, np.uint8)
    if not isinstance(fan, Fan):
        raise ConfigError(f"{fan!r} is no fan: give a kernels.Fan")


@kernel(cases=_cases, atol=0, check=_check)
def to_fan(image: Image, fan: Fan, shape: tuple[int, int], *, out: Image | None = None) -> Image:
    """Convert beams (samples, beams) uint8 to a fan (H, W) uint8, 0 outside.

    image: the first row is nearest to the probe, the first column leftmost. shape: (H, W) of the result.
    Raises ImageError, ConfigError.
    """
    return copy_to_out(_sample_reference(image, *_fan_places(fan, shape, image.shape)), out)


@kernel(cases=_cases, atol=0, check=_check)
def to_beams(image: Image, fan: Fan, shape: tuple[int, int], *, out: Image | None = None) -> Image:
    """Convert the fan in an image (H, W) uint8 to beams (samples, beams) uint8, 0 where it leaves the image.

    shape: (samples, beams) of the result. Raises ImageError, ConfigError.
    """
    return copy_to_out(_sample_reference(image, *_beam_places(fan, shape)), out)


def _fan_places(fan: Fan, shape: tuple[int, int], beams: tuple[int, ...]) -> tuple[Doubles, Doubles]:
    """Return the row and column in the beams of each pixel of the fan."""
    y, x = np.indices(shape, np.float64) - np.reshape(fan.apex, (2, 1, 1))
    row = (np.hypot(y, x) - fan.near) / (fan.far - fan.near) * (beams[0] - 1)
    return row, (np.arctan2(x, y) - fan.left) / (fan.right - fan.left) * (beams[1] - 1)


def _beam_places(fan: Fan, shape: tuple[int, int]) -> tuple[Doubles, Doubles]:
    """Return the row and column in the image of each sample of each beam."""
    distance = np.linspace(fan.near, fan.far, shape[0])[:, None]
    angle = np.linspace(fan.left, fan.right, shape[1])
    return fan.apex[0] + distance * np.cos(angle), fan.apex[1] + distance * np.sin(angle)


def _corners(row: Doubles, column: Doubles, shape: tuple[int, ...]) -> CornerTable:
    """Return the pixel above and left of each position, and the position's offset from it in 256ths of a pixel.

    row, column: of the positions. shape: of the image. A position outside has row -1.
    """
    inside = (row > -1e-6) & (row < shape[0] - 1 + 1e-6) & (column > -1e-6) & (column < shape[1] - 1 + 1e-6)
    places = [np.where(inside, np.rint(axis * SUBPIXELS), 0).astype(np.int32) for axis in (row, column)]
    top, left = (place // SUBPIXELS for place in places)
    return np.where(inside, top, -1).astype(np.int32), left, places[0] % SUBPIXELS, places[1] % SUBPIXELS


def _sample_reference(image: Image, row: Doubles, column: Doubles) -> Image:
    top, left, down, along = _corners(row, column, image.shape)
    below, right = np.minimum(top + 1, image.shape[0] - 1), np.minimum(left + 1, image.shape[1] - 1)
    wide = image.astype(np.int64)
    upper = wide[top, left] * (SUBPIXELS - along) + wide[top, right] * along
    lower = wide[below, left] * (SUBPIXELS - along) + wide[below, right] * along
    mixed = (upper * (SUBPIXELS - down) + lower * down + SUBPIXELS * SUBPIXELS // 2) // SUBPIXELS**2
    return round_to_uint8(np.where(top >= 0, mixed, 0))


@lru_cache(maxsize=4)
def fan_corners(fan: Fan, shape: tuple[int, int], beams: tuple[int, int]) -> CornerTable:
    top, left, down, along = _corners(*_fan_places(fan, shape, beams), beams)
    return as_read_only(top), as_read_only(left), as_read_only(down), as_read_only(along)


@lru_cache(maxsize=4)
def beam_corners(fan: Fan, shape: tuple[int, int], picture: tuple[int, int]) -> CornerTable:
    top, left, down, along = _corners(*_beam_places(fan, shape), picture)
    return as_read_only(top), as_read_only(left), as_read_only(down), as_read_only(along)


@to_fan.backend("numba")
def _to_fan_numba(image: Image, fan: Fan, shape: tuple[int, int], *, out: Image | None = None) -> Image:
    return _sample(image, fan_corners(fan, shape, (image.shape[0], image.shape[1])), shape, out)


@to_beams.backend("numba")
def _to_beams_numba(image: Image, fan: Fan, shape: tuple[int, int], *, out: Image | None = None) -> Image:
    return _sample(image, beam_corners(fan, shape, (image.shape[0], image.shape[1])), shape, out)


def _sample(image: Image, corners: CornerTable, shape: tuple[int, int], out: Image | None) -> Image:
    result, source = out_or_empty(out, shape, np.uint8), copy_if_overlapping(image, out)
    run_row_bands(shape[0], shape[1], lambda first, end: _sample_rows(source, corners, result, first, end))
    return result


@compiled
def _sample_rows(image: Image, corners: CornerTable, result: Image, first: int, end: int) -> None:
    tops, lefts, downs, alongs = corners
    for y in range(first, end):
        for x in range(result.shape[1]):
            top, left = tops[y, x], lefts[y, x]
            if top < 0:
                result[y, x] = 0
                continue
            down, along = downs[y, x], alongs[y, x]
            below, right = min(top + 1, image.shape[0] - 1), min(left + 1, image.shape[1] - 1)
            upper = np.int32(image[top, left]) * (SUBPIXELS - along) + np.int32(image[top, right]) * along
            lower = np.int32(image[below, left]) * (SUBPIXELS - along) + np.int32(image[below, right]) * along
            result[y, x] = np.uint8((upper * (SUBPIXELS - down) + lower * down + SUBPIXELS * SUBPIXELS // 2) >> 16)


CornerFunction = Callable[..., CornerTable]


MAX_TABLES = 16  # cached tables on the device


@to_fan.backend("cuda")
def _to_fan_cuda(image: Image, fan: Fan, shape: tuple[int, int], *, out: Image | None = None) -> Any:
    table = _device_table(pool(), fan_corners, fan, tuple(shape), tuple(image.shape), stream_of(image))
    return _sampled_on_device(image, table, out)


@to_beams.backend("cuda")
def _to_beams_cuda(image: Image, fan: Fan, shape: tuple[int, int], *, out: Image | None = None) -> Any:
    table = _device_table(pool(), beam_corners, fan, tuple(shape), tuple(image.shape), stream_of(image))
    return _sampled_on_device(image, table, out)


@lru_cache(maxsize=MAX_TABLES)
def _device_table(
    _pool: DeviceMemoryPool, corners: CornerFunction, fan: Fan, shape: tuple[int, int], image: tuple[int, int], stream: int
) -> DeviceArray:
    """Return the source position of each pixel, (H, W, 2) int32 in 256ths of a pixel; a negative row is outside.

    The table is cached on the device, since it changes only with the probe's depth. A graph may read it until `MAX_TABLES`
    others have been made. _pool: the memory that it stands in, a part of the cache's key.
    """
    top, left, down, along = corners(fan, shape, image)
    places = np.stack([np.where(top < 0, -1, top * SUBPIXELS + down), left * SUBPIXELS + along], 2)
    return DeviceArray.of(places, stream)


def _sampled_on_device(image: Image, places: DeviceArray, out: Image | None) -> Any:
    result = out_or_device_array(out, places.shape[:2], np.uint8, image)
    launch("sample", image, *image.shape, places, element_count(result), result)
    return result
