"""Provides the source of frames that a file format's reader yields one by one."""

import threading
from collections.abc import Generator, Iterator, Sequence
from time import perf_counter_ns
from typing import NamedTuple

from rtseg.frame import Frame, Image, Omission, Origin, Spacing, StreamInfo
from rtseg.sources.files.frame_values import FrameValues


class StoredFrame(NamedTuple):
    """Holds a stored frame's pixels and metadata."""

    image: Image | None  # None where the file declares that this frame has none
    origin: Origin | None = None  # the file's metadata of the frame
    spacing_mm: Spacing | None = None  # (down, along) in mm, where the file states that of this frame
    presentation_ns: int | None = None  # from the start of the recording; None: by index and rate
    pixel_aspect: float = 1.0  # width of a pixel over its height
    damage: str = ""  # why the pixels are not to be trusted


class FrameSequence:
    """Yields what `pictures` reads as frames; a missing image leaves a gap in the index.

    Each frame has a spacing, see `FrameValues`, and a presentation time, by index and rate where the file has none. pictures:
    holds the open file and closes it when it is closed itself. It is read under a lock, so that `close` may be called from any
    thread and blocks for one picture at most. omitted: what `pictures` leaves out, a list that may grow while it is read.
    """

    def __init__(
        self, info: StreamInfo, pictures: Generator[StoredFrame, None, None], omitted: Sequence[Omission] = ()
    ) -> None:
        self._info, self._pictures, self._omitted = info, pictures, omitted
        self._values = FrameValues(info)
        self._lock = threading.Lock()
        self._next_index = 0

    @property
    def info(self) -> StreamInfo:
        """Return size, frame rate, pixel size and number of frames, as the file declares them."""
        return self._info

    @property
    def omitted(self) -> Sequence[Omission]:
        """Return the files or parts that were left out so far, each with the reason."""
        return self._omitted

    def __iter__(self) -> Iterator[Frame]:
        while (picture := self._next_picture()) is not None:
            index, self._next_index = self._next_index, self._next_index + 1
            if picture.image is not None:
                yield self._frame(picture, picture.image, index)

    def _frame(self, picture: StoredFrame, image: Image, index: int) -> Frame:
        stated = picture.spacing_mm or (picture.origin.spacing_mm if picture.origin else None)
        return Frame(
            image,
            index,
            perf_counter_ns(),
            picture.origin,
            spacing_mm=self._values.spacing_mm(image, stated, picture.pixel_aspect),
            presentation_ns=self._values.presentation_ns(index, picture.presentation_ns),
            damage=picture.damage,
            pixel_aspect=picture.pixel_aspect,
        )

    def close(self) -> None:
        """Close the file; an iteration under way ends."""
        with self._lock:
            self._pictures.close()

    def _next_picture(self) -> StoredFrame | None:
        with self._lock:
            return next(self._pictures, None)
