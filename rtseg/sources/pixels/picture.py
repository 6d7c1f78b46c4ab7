"""Converts a decoded picture to a frame's image: gray where it has no color, upright, white at 255."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from av import VideoFrame
from av.video.reformatter import ColorRange, VideoReformatter

from rtseg.frame import Image
from rtseg.kernels.runtime.arrays import as_read_only
from rtseg.kernels.runtime.cpu import compiled
from rtseg.sources.pixels.upright import STORED, upright_of_frame
from rtseg.sources.pixels.word_depth import WordDepth, stores_words

# Chroma this near to neutral is gray: coded B-mode stays within 1 (H.264, MPEG-4, VP9, MJPEG, at any quality), analog
# grabbers within about 3, and 4 is at most 7 gray levels of color.
NEUTRAL_TOLERANCE = 4

_BLACK, _WHITE = np.uint8(16), np.uint8(235)  # of limited range (ITU-R BT.601)
_STRETCH, _SHIFT = np.uint32(76310), np.uint32(16 * 76310 - (1 << 15))  # 255 / 219, and the scaled black level minus a half
_BEYOND, _FEW = 4, 0.001  # levels by which a codec errs, and the share of samples that may lie further beyond limited range
_IN_PAIRS = "nv12"  # chroma samples interleaved in one plane, as a GPU's decoder returns them


class PictureReader:
    """Converts a stream's pictures to frame images: (H, W) until one has color, RGB (H, W, 3) from there on.

    upright: how the newest picture is shown.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._has_color = False
        self._depth = WordDepth()
        self._is_limited: bool | None = None  # of gray pictures that are declared so; None: not decided yet
        self._shape: tuple[float, int, int] | None = None  # rotation, height and width, of the newest picture
        self.upright = STORED

    def read(self, picture: VideoFrame) -> Image:
        """Return the picture's pixels as they are shown, turned and mirrored, uint8."""
        image = self._read_planes(picture) if _is_planar_yuv(picture) else self._read_any(picture)
        shape = picture.rotation, picture.height, picture.width
        if shape != self._shape:  # PyAV's side data hold the picture in a cycle of references, until the next collection
            self._shape, self.upright = shape, upright_of_frame(picture)
        return self.upright.apply(image)

    def _read_planes(self, picture: VideoFrame) -> Image:
        samples = 2 if picture.format.name == _IN_PAIRS else 1
        self._has_color = self._has_color or not all(is_neutral(_pixels(plane, samples)) for plane in picture.planes[1:3])
        if self._has_color:
            return self._rgb(picture)
        luma = _pixels(picture.planes[0])
        return luma.copy() if _is_full_range(picture) else expand_limited_range(luma)

    def _read_any(self, picture: VideoFrame) -> Image:
        image = self._depth.in_8_bits(picture) if stores_words(picture) else None
        rgb = self._rgb(picture) if image is None else np.atleast_3d(image)
        self._has_color = self._has_color or not is_gray(rgb)
        if self._has_color:
            return rgb
        gray = np.ascontiguousarray(rgb[..., rgb.shape[2] // 2])
        return expand_limited_range(gray) if self._is_limited_gray(picture, gray) else gray

    def _is_limited_gray(self, picture: VideoFrame, gray: Image) -> bool:
        """Return whether gray samples are of limited range: declared so, as HEVC and AV1 can, and so in the first picture.

        FFmpeg takes all gray formats for full range, and some writers declare what they do not do.
        """
        if len(picture.format.components) > 2 or picture.color_range != ColorRange.MPEG:
            return False
        if self._is_limited is None:
            outside = (gray < _BLACK - _BEYOND) | (gray > _WHITE + _BEYOND)
            self._is_limited = float(outside.mean()) <= _FEW
        return self._is_limited

    def _rgb(self, picture: VideoFrame) -> Image:
        return self._reformatter.reformat(picture, format="rgb24").to_ndarray().astype(np.uint8, copy=False)


def _is_planar_yuv(picture: VideoFrame) -> bool:
    parts = picture.format.components
    apart = len(picture.planes) == len(parts) or picture.format.name == _IN_PAIRS
    return len(parts) in (3, 4) and apart and not picture.format.is_rgb and parts[0].bits == 8


def _pixels(plane: Any, samples: int = 1) -> npt.NDArray[np.uint8]:
    """Return a plane's samples (h, w * samples), without row padding, still in the decoder's memory."""
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : samples * plane.width]


def _is_full_range(picture: VideoFrame) -> bool:
    return picture.color_range == ColorRange.JPEG or picture.format.name.startswith("yuvj")


def expand_limited_range(luma: npt.NDArray[np.uint8]) -> Image:
    """Return luma (H, W) of limited range, stretched so that black is 0 and white 255."""
    image = np.empty(luma.shape, np.uint8)
    _stretch(as_read_only(luma), image)
    return image


@compiled
def _stretch(luma: npt.NDArray[np.uint8], image: Image) -> None:
    """Compute (luma - 16) * 255 / 219, rounded, in fixed point with 16 fractional bits: a table lookup would not vectorize."""
    for y in range(luma.shape[0]):
        row, target = luma[y], image[y]
        for x in range(np.uint64(target.size)):
            level = np.uint32(min(max(row[x], _BLACK), _WHITE))
            target[x] = np.uint32(np.uint32(level * _STRETCH) - _SHIFT) >> np.uint32(16)


def is_neutral(chroma: npt.NDArray[np.uint8]) -> bool:
    """Return whether samples of chroma have no color."""
    return bool(chroma.min() >= 128 - NEUTRAL_TOLERANCE and chroma.max() <= 128 + NEUTRAL_TOLERANCE)


def is_gray(rgb: Image) -> bool:
    """Return whether an image, RGB (H, W, 3) or gray (H, W, 1), has no color."""
    if rgb.shape[2] == 1:
        return True
    green = rgb[..., 1]
    return all(cv2.absdiff(rgb[..., other], green).max() <= NEUTRAL_TOLERANCE for other in (0, 2))
