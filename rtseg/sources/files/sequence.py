"""A recording whose pictures are read one by one: what the readers of file formats have in common."""

import threading
from collections.abc import Generator, Iterator
from time import perf_counter_ns
from typing import NamedTuple

from rtseg.frame import Frame, Image, Origin, StreamInfo


class Picture(NamedTuple):
    """A frame's pixels, with what the file tells of it. image: None where the file says that this frame has none."""

    image: Image | None
    origin: Origin | None = None


class Sequence:
    """Gives what `pictures` reads as frames; a picture that is None leaves a gap in the index.

    pictures: holds the open file and gives it back when it is closed; it is read under a lock, so that `close` may come from
    any thread and waits for one picture at the most.
    """

    def __init__(self, info: StreamInfo, pictures: Generator[Picture, None, None]) -> None:
        self._info, self._pictures = info, pictures
        self._lock = threading.Lock()
        self._next_index = 0

    @property
    def info(self) -> StreamInfo:
        """Size, frame rate, pixel size and number of frames, as the file tells them."""
        return self._info

    def __iter__(self) -> Iterator[Frame]:
        while (picture := self._next_picture()) is not None:
            index, self._next_index = self._next_index, self._next_index + 1
            if picture.image is not None:
                yield Frame(picture.image, index, perf_counter_ns(), picture.origin)

    def close(self) -> None:
        """Close the file; an iteration under way ends."""
        with self._lock:
            self._pictures.close()

    def _next_picture(self) -> Picture | None:
        with self._lock:
            return next(self._pictures, None)
