"""Reads still images as a stream: a folder, a glob or one file, which may hold several pictures."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter_ns

from rtseg.errors import SourceError
from rtseg.frame import Frame, Image, Omission, Spacing, StreamInfo
from rtseg.sources.base import DEFAULT_FPS, stream_info
from rtseg.sources.files.frame_values import FrameValues
from rtseg.sources.files.image_paths import image_paths, other_images
from rtseg.sources.files.picture_file import (
    DecodedPicture,
    animation_fps,
    count_pictures,
    decode_one,
    decode_pictures,
    other_pictures,
    read_bytes,
    to_8_bits,
)
from rtseg.sources.files.series_depth import SeriesDepth
from rtseg.text.log_records import get_logger

_log = get_logger(__name__)
_MAX_FPS = 1000.0


class ImageFiles:
    """Yields the images of a folder or glob as frames, in natural order (2 before 10), by default 25 a second.

    A TIFF stack and an animated PNG or WebP give all their pictures; a single animation is played with its own times. Sizes may
    differ from frame to frame. A file of several that cannot be read is left out, which leaves a gap in the index, and stands
    in `omitted` from then on; of a single file, SourceError follows the pictures that can be read. Images of 16 bits keep
    the upper 8 of the bits that the series uses. Raises SourceError, SourceNotFound.
    """

    def __init__(self, where: str | Path, *, fps: float | None = None, spacing_mm: Spacing | None = None) -> None:
        self._paths = image_paths(where)
        self._counts = [count_pictures(path, is_alone=len(self._paths) == 1) for path in self._paths]
        self._omitted = dict[Path, Omission]()
        self._listed = list[Omission]()
        self._depth = SeriesDepth(where, self._paths)
        first = self._first()
        rate, self._has_times = fps, False
        if rate is None:
            rate = self._animation_fps()
            self._has_times = rate is not None
        height, width = first.pixels.shape[:2]
        info = stream_info(height, width, DEFAULT_FPS if rate is None else rate, spacing_mm, sum(self._counts))
        self._info = replace(info, pixel_aspect=first.pixel_aspect)
        self._values = FrameValues(self._info)
        self._closed = threading.Event()
        self._frames = self._read()
        if len(self._paths) == 1 and (others := other_pictures(self._paths[0])):
            what = "behind the first" if self._paths[0].suffix.lower() in (".png", ".apng") else "of another size or kind"
            _log.warning("%s holds %d pictures more, %s, which are left out", self._paths[0], others, what)
        for path, reason in other_images(where).items():
            self._omit(path, reason)

    @property
    def info(self) -> StreamInfo:
        """Return the first image's size and pixel aspect, the frame rate, the pixel size and the number of images."""
        return self._info

    @property
    def omitted(self) -> Sequence[Omission]:
        """Return the files that were left out so far, each with the reason."""
        return self._listed

    def __iter__(self) -> Iterator[Frame]:
        while (frame := next(self._frames, None)) is not None:
            yield frame

    def close(self) -> None:
        """End the stream."""
        self._closed.set()

    def _read(self) -> Iterator[Frame]:
        base = 0
        for path, count in zip(self._paths, self._counts, strict=True):
            given = 0
            try:
                for picture in decode_pictures(path):
                    if self._closed.is_set():
                        return
                    yield self._frame(picture, path, base + given)
                    given += 1
            except SourceError as error:
                if len(self._paths) == 1:
                    raise
                self._omit(path, str(error))
            base += max(count, given)

    def _frame(self, picture: DecodedPicture, path: Path, index: int) -> Frame:
        image = self._depth.to_8_bits(picture.pixels, path)
        stated_ns = round(picture.shown_s * 1e9) if self._has_times and picture.shown_s is not None else None
        return Frame(
            image,
            index,
            perf_counter_ns(),
            spacing_mm=self._values.spacing_mm(image, None, picture.pixel_aspect),
            presentation_ns=self._values.presentation_ns(index, stated_ns),
            pixel_aspect=picture.pixel_aspect,
        )

    def _first(self) -> DecodedPicture:
        """Return the first picture that can be read. Raises SourceError where there is none."""
        reason: SourceError | None = None
        for path in self._paths:
            try:
                picture = next(decode_pictures(path))
                to_8_bits(picture.pixels[:1, :1], path)
            except SourceError as error:
                reason = reason or error
                if len(self._paths) > 1:
                    self._omit(path, str(error))
            else:
                return picture
        raise reason or SourceError("there is no image: give a folder that holds some")

    def _animation_fps(self) -> float | None:
        """Return the mean rate of a single animation; None for other images."""
        if len(self._paths) > 1 or self._counts[0] < 2:
            return None
        rate = animation_fps(self._paths[0])
        return None if rate is None else min(_MAX_FPS, rate)

    def _omit(self, path: Path, reason: str) -> None:
        if path not in self._omitted:
            self._omitted[path] = Omission(path.name, reason)
            self._listed.append(self._omitted[path])
            _log.warning("%s is left out: %s", path, reason)


def read_image(path: Path) -> Image:
    """Return an image file's pixels, uint8: (H, W) where it has no color, else RGB (H, W, 3). Raises SourceError.

    16 bits a channel keep their upper 8, so that frames stay comparable; a palette is looked up, transparency is dropped.
    Floating point is refused, since its white is unknown. Of a file with several pictures it is the first.
    """
    return to_8_bits(decode_one(path, read_bytes(path)), path)
