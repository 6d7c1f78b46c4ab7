"""Converts a grabber's raw buffers to images: gray where they have no color, white at 255."""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt
from av import CodecContext, Packet
from av.error import FFmpegError
from av.video.stream import VideoStream

from rtseg.frame import Image
from rtseg.limits import max_pixels
from rtseg.sources.pixels.decoder import size_limit, strictness
from rtseg.sources.pixels.picture import expand_limited_range, is_gray, is_neutral
from rtseg.sources.pixels.picture_size import picture_size

Raw = npt.NDArray[np.uint8]

# A format's name in an address, and V4L2's four-letter code. Lossless ones come first: JPEG adds block artifacts to the
# speckle, and takes time to decode.
FOURCC: Mapping[str, str] = MappingProxyType(
    {"yuyv": "YUYV", "nv12": "NV12", "rgb24": "RGB3", "bgr24": "BGR3", "grey": "GREY", "mjpeg": "MJPG"}
)


class RawReader:
    """Converts a device's buffers to frame images: (H, W) until one has color, RGB (H, W, 3) from there on.

    form: a key of FOURCC. shape: of the image, (H, W).
    """

    def __init__(self, form: str, shape: tuple[int, int]) -> None:
        self._read, self._shape, self._has_color = _READERS[form], shape, False

    def read(self, raw: Raw) -> Image | None:
        """Return the image in a buffer, None where it is broken: cut short, as by a loose USB cable."""
        try:
            image = self._image(raw) if raw.size else None
        except (cv2.error, IndexError, ValueError):
            return None
        return image if image is not None and image.shape[:2] == self._shape else None

    def _image(self, raw: Raw) -> Image:
        grey, rgb = self._read(raw, self._shape[0])
        if grey is not None and not self._has_color:
            return grey
        self._has_color = True
        return np.ascontiguousarray(rgb())


_Converted = tuple[Image | None, Callable[[], Any]]  # gray where the image has no color, and a function that returns RGB


def _yuyv(raw: Raw, height: int) -> _Converted:
    pairs = raw.reshape(height, -1, 2)
    return _gray_unless_color(pairs[..., 0], pairs[..., 1]), lambda: cv2.cvtColor(pairs, cv2.COLOR_YUV2RGB_YUYV)


def _nv12(raw: Raw, height: int) -> _Converted:
    planes = raw.reshape(height * 3 // 2, -1)
    return _gray_unless_color(planes[:height], planes[height:]), lambda: cv2.cvtColor(planes, cv2.COLOR_YUV2RGB_NV12)


def _rgb(raw: Raw, height: int) -> _Converted:
    pixels = raw.reshape(height, -1, 3)
    return np.ascontiguousarray(pixels[..., 1]) if is_gray(pixels) else None, pixels.copy


def _bgr(raw: Raw, height: int) -> _Converted:
    return _rgb(raw.reshape(height, -1, 3)[..., ::-1], height)


def _gray(raw: Raw, height: int) -> _Converted:
    pixels = raw.reshape(height, -1)
    return pixels.copy(), lambda: cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB)


def _mjpeg(raw: Raw, height: int) -> _Converted:
    coded = raw.ravel()
    size = picture_size(coded.data)  # a height other than negotiated is broken, and not decoded
    if not size or size[0] != height or math.prod(size) > max_pixels():
        raise ValueError("no JPEG")
    return _rgb(_decode_jpeg(coded.tobytes()), height)


def _decode_jpeg(coded: bytes) -> Raw:
    """Return a picture as RGB (H, W, 3). Raises ValueError for one with faulty data, which OpenCV would return."""
    coder = CodecContext.create("mjpeg", "r")
    coder.options, coder.thread_type = size_limit() | strictness(coder.name), "SLICE"
    try:
        (picture,) = coder.decode(cast("Packet[VideoStream]", Packet(coded)))
    except FFmpegError as error:
        raise ValueError("a damaged JPEG") from error
    return picture.to_ndarray(format="rgb24").astype(np.uint8, copy=False)


def _gray_unless_color(luma: Raw, chroma: Raw) -> Image | None:
    return expand_limited_range(luma) if is_neutral(chroma) else None


_READERS: dict[str, Callable[[Raw, int], _Converted]] = {
    "yuyv": _yuyv,
    "nv12": _nv12,
    "rgb24": _rgb,
    "bgr24": _bgr,
    "grey": _gray,
    "mjpeg": _mjpeg,
}
