"""Reads still images as a stream: a folder, a glob or one file."""

import re
import threading
from collections.abc import Iterator
from glob import has_magic, iglob
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.errors import SourceError, SourceNotFound
from rtseg.frame import Frame, Image, Spacing, StreamInfo
from rtseg.limits import check_size
from rtseg.sources.base import DEFAULT_FPS, path_exists, stream_info
from rtseg.sources.files.frame_values import FrameValues
from rtseg.sources.pixels.picture_size import picture_size

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"})


class ImageFiles:
    """Yields the images of a folder or glob as frames, in natural order (2 before 10), by default 25 a second.

    A file that cannot be read raises SourceError after the frames before it; sizes may differ from frame to frame. Raises
    SourceError, SourceNotFound.
    """

    def __init__(self, where: str | Path, *, fps: float | None = None, spacing_mm: Spacing | None = None) -> None:
        self._paths = image_paths(where)
        first = read_image(self._paths[0])
        fps = DEFAULT_FPS if fps is None else fps
        self._info = stream_info(first.shape[0], first.shape[1], fps, spacing_mm, len(self._paths))
        self._values = FrameValues(self._info)
        self._closed = threading.Event()
        self._given = 0

    @property
    def info(self) -> StreamInfo:
        """Return the first image's size, the frame rate, the pixel size and the number of images."""
        return self._info

    def __iter__(self) -> Iterator[Frame]:
        while self._given < len(self._paths) and not self._closed.is_set():
            index, self._given = self._given, self._given + 1
            image, shown_ns = read_image(self._paths[index]), self._values.presentation_ns(index)
            spacing_mm = self._values.spacing_mm(image, None)
            yield Frame(image, index, perf_counter_ns(), spacing_mm=spacing_mm, presentation_ns=shown_ns)

    def close(self) -> None:
        """End the stream."""
        self._closed.set()


def is_image_path(where: str) -> bool:
    """Return whether a path names still images: a folder, a glob or a file with an image's suffix."""
    path, there = Path(where), path_exists(where)
    return (there and path.is_dir()) or path.suffix.lower() in SUFFIXES or (has_magic(where) and not there)


def image_paths(where: str | Path) -> list[Path]:
    """Return the images in a folder, of a glob, or at a plain path, in natural order.

    Raises SourceError, SourceNotFound.
    """
    try:
        images = sorted((file for file in _files(str(where)) if file.suffix.lower() in SUFFIXES), key=_natural_order)
    except OSError as error:
        raise SourceError(f"{where} cannot be listed ({error.strerror}): check the folder's permissions") from error
    if not images:
        raise SourceNotFound(f"{where} holds no image: give a folder or a glob of {', '.join(sorted(SUFFIXES))} files")
    return images


def _files(where: str) -> list[Path]:
    """Return the files of a folder, the file itself, or those that match a glob."""
    path = Path(where)
    if not path_exists(path):  # a glob; Path.glob takes no absolute one
        return [Path(name) for name in iglob(where) if Path(name).is_file()]  # noqa: PTH207
    return [file for file in path.iterdir() if file.is_file()] if path.is_dir() else [path]


def read_image(path: Path) -> Image:
    """Return an image file's pixels, uint8: (H, W) where it has no color, else RGB (H, W, 3). Raises SourceError.

    16 bits a channel keep their upper 8, so that frames stay comparable; a palette is looked up, transparency is dropped.
    Floating point is refused, since its white is unknown.
    """
    try:
        coded = path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}): check the file and its permissions") from error
    size = picture_size(coded)
    if size is not None:
        check_size(path, *size)
    if size is None or _is_cut_jpeg(coded) or (pixels := _decode(coded)) is None:
        raise SourceError(f"{path} is not an image that can be read, or is cut off: save it again as 8-bit PNG")
    return _drop_equal_channels(_to_8_bits(pixels, path))


def _decode(coded: bytes) -> npt.NDArray[Any] | None:
    try:
        return cv2.imdecode(np.frombuffer(coded, np.uint8), cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH)
    except cv2.error:
        return None


def _is_cut_jpeg(coded: bytes) -> bool:
    """Return whether a JPEG lacks its end, which OpenCV would silently fill with gray."""
    return coded.startswith(b"\xff\xd8") and coded.rfind(b"\xff\xd9") < coded.rfind(b"\xff\xda")


def _to_8_bits(pixels: npt.NDArray[Any], path: Path) -> Image:
    if pixels.dtype == np.uint16:
        return (pixels >> 8).astype(np.uint8)
    if pixels.dtype != np.uint8:
        raise SourceError(f"{path} has {pixels.dtype} pixels, whose white is not known: save it as 8-bit PNG")
    return pixels


def _drop_equal_channels(pixels: Image) -> Image:
    """Return RGB (H, W, 3) of OpenCV's BGR, or (H, W) where the three channels are equal."""
    if pixels.ndim == 2:
        return pixels
    blue, green, red = cv2.split(pixels)
    if np.array_equal(blue, green) and np.array_equal(green, red):
        return green.astype(np.uint8, copy=False)
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def _natural_order(path: Path) -> list[tuple[int, int | str]]:
    """Return a sort key that puts frame2 before frame10."""
    parts = re.split(r"(\d+)", path.name)
    return [(0, int(part)) if part.isdecimal() else (1, part.lower()) for part in parts] + [(2, path.name)]
