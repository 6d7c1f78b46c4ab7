"""Encodes and decodes the content of an IMAGE message: pixels, and their pose in the world.

Protocol: openigtlink/OpenIGTLink, Documents/Protocol/image.md. The message has the position of the image's center. A matrix
here is that of 3D Slicer and PLUS, from (column, row, 0, 1) to the world; its last column is the first pixel's position.
"""

import struct
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.errors import MessageError
from rtseg.frame import Image, Matrix, Spacing
from rtseg.igtl.message import Content

RAS, LPS = "RAS", "LPS"  # the world's axes: right, anterior, superior, or left, posterior, superior

_LAYOUT = struct.Struct(">HBBBB3H12f3H3H")
HEAD_BYTES = _LAYOUT.size  # in front of the pixels
_DTYPES: dict[int, str] = {2: "i1", 3: "u1", 4: "i2", 5: "u2", 6: "i4", 7: "u4", 10: "f4", 11: "f8"}
_BIG, _LITTLE = 1, 2
_WORLDS = {1: RAS, 2: LPS}
_WHITES = {"i1": 127, "u1": 255, "i2": 32767, "u2": 65535}

Pixels = npt.NDArray[Any]
Vectors = npt.NDArray[np.float64]  # (3, 3): the steps along a column, a row and a slice, one a column


@dataclass(frozen=True, slots=True)
class IgtlImage:
    """Holds an image and its pose."""

    pixels: Pixels  # (H, W) or (H, W, C), of the sender's own type
    matrix: Matrix  # from (column, row, 0, 1) to the axes of `world`, in mm
    world: str = RAS  # RAS or LPS

    @property
    def spacing_mm(self) -> Spacing | None:
        """Return the pixel size (down, along) in mm; None for 1 and 1, which senders use for unknown."""
        along, down = (float(np.linalg.norm([row[i] for row in self.matrix[:3]])) for i in (0, 1))
        return None if (down, along) == (1.0, 1.0) or not down > 0 < along else (down, along)


def read_image(content: Content) -> IgtlImage:
    """Return the image; its pixels are a view of `content`. Raises MessageError for an invalid or incomplete one."""
    if len(content) < _LAYOUT.size:
        raise MessageError(f"an IMAGE of {len(content)} bytes is shorter than its own header of {_LAYOUT.size}")
    _, components, scalar, endian, world, *numbers = _LAYOUT.unpack_from(content)
    size, places, begin, part = numbers[:3], np.array(numbers[3:15]), numbers[15:18], numbers[18:]
    if begin != [0, 0, 0] or part != size:
        raise MessageError(f"an IMAGE holds a part {part} of {size} pixels: have the sender send whole images")
    pixels = _pixels(content[_LAYOUT.size :], size[::-1], components, _dtype(scalar, endian))
    vectors, centre = places[:9].reshape(3, 3).T, places[9:]
    if not np.isfinite(places).all():
        raise MessageError("an IMAGE lies at a place that is no number")
    flat, vectors = _single_slice(pixels, vectors)
    return IgtlImage(flat, _matrix(vectors, centre, flat.shape), _WORLDS.get(world, RAS))


def pixel_bytes(head: Content) -> int | None:
    """Return how many bytes of pixels an image announces in its first `HEAD_BYTES`.

    None where its type is unknown, or where it is a part of an image. Raises struct.error for fewer bytes.
    """
    _, components, scalar, _, _, *numbers = _LAYOUT.unpack_from(head)
    if scalar not in _DTYPES or numbers[18:] != numbers[:3]:
        return None
    return int(prod(numbers[:3]) * components * np.dtype(_DTYPES[scalar]).itemsize)


def write_image(picture: IgtlImage) -> tuple[bytes, memoryview]:
    """Return the content of a message with `picture`: its header and its pixels.

    The pixels' type is one that OpenIGTLink has. Raises MessageError for a side of more than 65535 pixels.
    """
    pixels, matrix = np.ascontiguousarray(picture.pixels), np.array(picture.matrix, np.float64)
    height, width = pixels.shape[:2]
    if max(height, width) > 0xFFFF:
        raise MessageError(f"an IMAGE has at most 65535 pixels a side, and this one {max(height, width)}")
    centre = matrix[:3, :3] @ _center_index(pixels.shape) + matrix[:3, 3]
    scalar = next(number for number, name in _DTYPES.items() if np.dtype(name) == pixels.dtype.newbyteorder("="))
    endian = _BIG if pixels.dtype.newbyteorder("=").newbyteorder(">") == pixels.dtype and pixels.itemsize > 1 else _LITTLE
    places = *matrix[:3, :3].T.ravel(), *centre
    components = pixels.shape[2] if pixels.ndim == 3 else 1
    size = width, height, 1
    world = 2 if picture.world == LPS else 1
    head = _LAYOUT.pack(1, components, scalar, endian, world, *size, *places, 0, 0, 0, *size)
    return head, pixels.view(np.uint8).reshape(-1).data


def matrix_from_spacing(spacing_mm: Spacing | None) -> Matrix:
    """Return the matrix of an image of unknown pose: at the world's origin, with pixels of 1 mm if their size is unknown."""
    down, along = spacing_mm or (1.0, 1.0)
    return (along, 0.0, 0.0, 0.0), (0.0, down, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0)


def to_8_bits(pixels: Pixels, white: int | None = None) -> Image:
    """Return gray (H, W) or RGB (H, W, 3) in 8 bits, from the range of 0 to `white`; values outside are clipped.

    white: 255 for 8 bits, 65535 for 16, 127 and 32767 where they have a sign, unless the sender is known to use less, as
    4095 for 12 bits. Raises MessageError for pixels of other types, whose white is unknown.
    """
    name = pixels.dtype.str[1:]
    if name not in _WHITES or (pixels.ndim == 3 and pixels.shape[2] not in (3, 4)):
        kind = f"{pixels.shape[2] if pixels.ndim == 3 else 1} x {pixels.dtype.newbyteorder('=')}"
        raise MessageError(f"an IMAGE has pixels of {kind}: have the sender send grey or RGB of 8 or 16 bits")
    pixels = pixels[..., :3] if pixels.ndim == 3 and pixels.shape[2] == 4 else pixels
    white = _WHITES[name] if white is None else white
    if name == "u1" and white == 255:
        return np.ascontiguousarray(pixels)
    values = np.arange(_WHITES[name] + 1, dtype=np.int64) * 256 // (white + 1)
    table = np.clip(values, 0, 255).astype(np.uint8)
    return table[np.maximum(pixels, 0)]


def _dtype(scalar: int, endian: int) -> np.dtype[Any]:
    name = _DTYPES.get(scalar)
    if name is None or (endian not in (_BIG, _LITTLE) and np.dtype(name).itemsize > 1):
        raise MessageError(f"an IMAGE has pixels of the unknown type {scalar} and byte order {endian}")
    return np.dtype((">" if endian == _BIG else "<") + name)


def _pixels(data: Content, shape: list[int], components: int, dtype: np.dtype[Any]) -> Pixels:
    """Return the pixels (slices, rows, columns, components), a view of `data`."""
    count = int(np.prod(shape, dtype=np.int64)) * components
    if not count or len(data) != count * dtype.itemsize:
        told = " x ".join(str(number) for number in (*shape, components))
        raise MessageError(f"an IMAGE of {told} pixels of {dtype.itemsize} bytes has {len(data)} bytes")
    return np.frombuffer(data, dtype).reshape(*shape, components)


def _single_slice(pixels: Pixels, vectors: Vectors) -> tuple[Pixels, Vectors]:
    """Return the only slice, and the steps along its columns, its rows and away from it.

    pyigtl sends a NumPy image (H, W) as H slices of one column, which is accepted too.
    """
    slices, _, columns, components = pixels.shape
    if slices != 1 and columns != 1:
        raise MessageError(f"an IMAGE has {slices} slices: have the sender send one at a time")
    flat, order = (pixels[0], [0, 1, 2]) if slices == 1 else (pixels[:, :, 0], [1, 2, 0])
    return (flat[..., 0] if components == 1 else flat), vectors[:, order]


def _matrix(vectors: Vectors, centre: npt.NDArray[np.float64], shape: tuple[int, ...]) -> Matrix:
    first = centre - vectors @ _center_index(shape)
    rows = [*np.column_stack([vectors, first]).tolist(), [0.0, 0.0, 0.0, 1.0]]
    return tuple(tuple(row) for row in rows)


def _center_index(shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Return column, row and slice of the middle of an image (H, W)."""
    return np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2, 0.0])
