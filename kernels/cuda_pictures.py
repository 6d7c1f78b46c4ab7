"""The CUDA backends of what makes and mends pictures and label maps, by the names of the table in cuda.py."""

from collections.abc import Callable, Sequence
from math import log2
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.frame import Image, Labels
from rtseg.kernels.clahe import clahe
from rtseg.kernels.components import drop_small, fill_holes, keep_largest
from rtseg.kernels.cuda import launch, stream_of
from rtseg.kernels.device_array import DeviceArray, pool, room_on_device
from rtseg.kernels.hysteresis import hysteresis
from rtseg.kernels.log_compression import DECIBELS, log_compress
from rtseg.kernels.morphology import closing, opening
from rtseg.kernels.persistence import WHOLE, persistence
from rtseg.kernels.scan_conversion import PARTS, Corner, Fan, beam_corners, fan_corners, to_beams, to_fan

Floats = npt.NDArray[np.float32]
Corners = Callable[..., Corner]

MOST_KEPT = 16  # tables of places on the device
_kept: dict[tuple[object, ...], DeviceArray] = {}


@persistence.backend("cuda")
def _persistence(image: Image, previous: Image, weight: float = 0.5, *, out: Image | None = None) -> Any:
    result = room_on_device(out, image.shape, np.uint8, image)
    launch("persistence", image, previous, round(weight * WHOLE), _count(image), result)
    return result


@clahe.backend("cuda")
def _clahe(image: Image, limit: float = 2.0, tiles: int = 8, *, out: Image | None = None) -> Any:
    rows, columns = (min(side, tiles) for side in image.shape)
    result = room_on_device(out, image.shape, np.uint8, image)
    launch("clahe", image, *image.shape, limit, rows, columns, _beside(image, (rows, columns, 256), np.float32), result)
    return result


@log_compress.backend("cuda")
def _log_compress(envelope: Floats, reference: float, dynamic_range_db: float = 60.0, *, out: Image | None = None) -> Any:
    result = room_on_device(out, envelope.shape, np.uint8, envelope)
    gain = 255 * DECIBELS / dynamic_range_db
    launch("log_compress", envelope, gain, 255 - gain * log2(reference), _count(envelope), result)
    return result


@to_fan.backend("cuda")
def _to_fan(image: Image, fan: Fan, shape: tuple[int, int], *, out: Image | None = None) -> Any:
    return _sampled(image, _places(fan_corners, fan, tuple(shape), tuple(image.shape), stream_of(image)), out)


@to_beams.backend("cuda")
def _to_beams(image: Image, fan: Fan, shape: tuple[int, int], *, out: Image | None = None) -> Any:
    return _sampled(image, _places(beam_corners, fan, tuple(shape), tuple(image.shape), stream_of(image)), out)


def _places(corners: Corners, fan: Fan, shape: tuple[int, ...], image: tuple[int, ...], stream: int) -> DeviceArray:
    """Where each pixel of the result is found, (H, W, 2) int32 in parts of a pixel, a negative row outside.

    Kept on the device, since it changes with the probe's depth alone; a graph reads it until MOST_KEPT others have come.
    """
    key = (pool(), corners, fan, shape, image, stream)
    if key not in _kept:
        top, left, down, along = corners(fan, shape, image)
        places = np.stack([np.where(top < 0, -1, top * PARTS + down), left * PARTS + along], 2)
        _kept[key] = DeviceArray.of(places, stream)
    while len(_kept) > MOST_KEPT:
        _kept.pop(next(iter(_kept)), None)
    return _kept[key]


def _sampled(image: Image, places: DeviceArray, out: Image | None) -> Any:
    result = room_on_device(out, places.shape[:2], np.uint8, image)
    launch("sample", image, *image.shape, places, _count(result), result)
    return result


@opening.backend("cuda")
def _opening(image: Image, radius: int = 2, *, out: Image | None = None) -> Any:
    return _worked("opening", image, out, radius, _beside(image, image.shape, np.uint8))


@closing.backend("cuda")
def _closing(image: Image, radius: int = 2, *, out: Image | None = None) -> Any:
    return _worked("closing", image, out, radius, _beside(image, image.shape, np.uint8))


@keep_largest.backend("cuda")
def _keep_largest(labels: Labels, single: Sequence[int], *, out: Labels | None = None) -> Any:
    chosen = np.zeros(256, np.uint8)
    chosen[list(single)] = 1
    roots, areas = _planes(labels, 2)
    bits = np.packbits(chosen, bitorder="little")
    return _worked("keep_largest", labels, out, bits, roots, areas, _beside(labels, (256,), np.uint64))


@drop_small.backend("cuda")
def _drop_small(labels: Labels, least: int, *, out: Labels | None = None) -> Any:
    return _worked("drop_small", labels, out, least, *_planes(labels, 2))


@fill_holes.backend("cuda")
def _fill_holes(labels: Labels, *, out: Labels | None = None) -> Any:
    return _worked("fill_holes", labels, out, *_planes(labels, 3))


@hysteresis.backend("cuda")
def _hysteresis(values: Floats, low: float, high: float, *, out: Labels | None = None) -> Any:
    return _worked("hysteresis", values, out, low, high, *_planes(values, 2))


def _worked(name: str, plane: Any, out: Any, *how: object) -> Any:
    """Launch what makes a label map or grey image of a plane's size."""
    result = room_on_device(out, plane.shape, np.uint8, plane)
    launch(name, plane, *plane.shape, *how, result)
    return result


def _beside(array: Any, shape: Sequence[int], dtype: npt.DTypeLike) -> DeviceArray:
    """Memory to work in, on the array's stream."""
    return DeviceArray(shape, dtype, stream_of(array))


def _planes(plane: Any, count: int) -> list[DeviceArray]:
    """Planes of integers to work in."""
    return [_beside(plane, plane.shape, np.int32) for _ in range(count)]


def _count(array: Any) -> int:
    return int(np.prod(array.shape))
