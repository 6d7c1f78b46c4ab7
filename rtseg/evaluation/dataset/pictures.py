"""Reads picture files of a dataset: an image as displayed, a mask as its stored values."""

import io
from pathlib import Path
from typing import Any, TypeAlias

import av
import cv2
import numpy as np
import numpy.typing as npt

from rtseg.errors import DatasetError, SourceError
from rtseg.frame import Image
from rtseg.limits import check_size
from rtseg.sources.pixels.picture_size import picture_size

Pixels: TypeAlias = npt.NDArray[Any]  # (H, W) or (H, W, 3) BGR, of any numeric dtype

_AS_DEEP_AS_STORED = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH
_MIN_16_BIT_PEAK = 1 << 12  # a 16-bit image below this maximum has fewer than 16 gray levels in its upper 8 bits
_INDEXED = 3  # color type of a PNG with a palette, in byte 25
_ONE_CHANNEL = "save the mask as one channel whose values are the labels"


def read_image(path: Path) -> Image:
    """Read an image, (H, W) gray or (H, W, 3) BGR, uint8; of 16 bits, the upper 8. Raises DatasetError."""
    pixels = _decoded(_bytes(path), path, _AS_DEEP_AS_STORED)
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype != np.uint16 or 0 < pixels.max() < _MIN_16_BIT_PEAK:
        raise DatasetError(f"{path} has {pixels.dtype} pixels up to {pixels.max()}, not 65535: convert it to 8 bits")
    return (pixels >> 8).astype(np.uint8)


def read_mask(path: Path) -> Pixels:
    """Read a mask's stored values (H, W) in their own depth; of a color palette, the indices. Raises DatasetError."""
    coded = _bytes(path)
    pixels = _decoded(coded, path, _AS_DEEP_AS_STORED)
    if coded[:2].tobytes() == b"\xff\xd8" and len(np.unique(pixels)) > 2:
        raise DatasetError(f"{path} is a JPEG, which spoils the labels of a mask: save it as PNG")
    if pixels.ndim == 2:
        return pixels
    _refuse_transparent(coded, path)
    return _one_channel(pixels, coded, path)


def _one_channel(pixels: Pixels, coded: Image, path: Path) -> Pixels:
    if (pixels == pixels[..., :1]).all():
        return pixels[..., 0]
    if not (coded[:4].tobytes() == b"\x89PNG" and coded[25] == _INDEXED):
        raise DatasetError(f"{path} is drawn in colours: {_ONE_CHANNEL}")
    with av.open(io.BytesIO(coded.tobytes()), "r", format="png_pipe", metadata_errors="replace") as file:
        indices, _ = next(file.decode(video=0)).to_ndarray()  # OpenCV returns colors only
    return np.asarray(indices)


def _refuse_transparent(coded: Image, path: Path) -> None:
    pixels = _decoded(coded, path, cv2.IMREAD_UNCHANGED)
    if pixels.shape[2] == 4 and pixels[..., 3].min() < np.iinfo(pixels.dtype).max:
        raise DatasetError(f"{path} is transparent in places: {_ONE_CHANNEL}")


def _bytes(path: Path) -> Image:
    data = np.fromfile(path, np.uint8) if path.is_file() else np.zeros(0, np.uint8)
    return data if data.size else np.zeros(1, np.uint8)  # OpenCV raises on empty data, and returns None for invalid data


def _decoded(coded: Image, path: Path, how: int) -> Pixels:
    size = picture_size(coded.data)
    try:
        check_size(path, *(size or (0, 0)))
    except SourceError as error:
        raise DatasetError(str(error)) from error
    pixels = None if size is None else cv2.imdecode(coded, how)
    if pixels is None:
        raise DatasetError(f"{path} cannot be read as a picture: replace or remove it with its partner")
    return pixels
