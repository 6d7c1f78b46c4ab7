"""Provide a live source whose frames are pushed by the browser's camera."""

import threading
from collections.abc import Iterator
from time import perf_counter_ns

import numpy as np

from rtseg.errors import ImageError, SourceError
from rtseg.frame import Frame, StreamInfo
from rtseg.sources.base import stream_info

SIZE = (480, 640)  # (H, W) of the gray images that the page sends
FPS = 25.0


class BrowserCamera:
    """Yields the newest image that was passed to `push`; a live source.

    The pixels are raw gray bytes, so that no decoder processes untrusted data. patience_s: time without an image after which
    SourceError is raised.
    """

    def __init__(self, patience_s: float = 20.0) -> None:
        self._patience_s = patience_s
        self._changed = threading.Condition()
        self._waiting: Frame | None = None
        self._pushed, self._closed = 0, False

    @property
    def info(self) -> StreamInfo:
        """Return the size and the rate that the page sends."""
        return stream_info(*SIZE, FPS).as_live()

    def push(self, pixels: bytes) -> None:
        """Store one image: 480 x 640 gray bytes, row by row. Raises ImageError for another size."""
        if len(pixels) != SIZE[0] * SIZE[1]:
            raise ImageError(f"a picture of {len(pixels)} bytes is not {SIZE[0]}x{SIZE[1]} grey pixels: reload the page")
        image = np.frombuffer(pixels, np.uint8).reshape(SIZE)
        with self._changed:
            self._waiting = Frame(image, self._pushed, perf_counter_ns())
            self._pushed += 1
            self._changed.notify()

    def __iter__(self) -> Iterator[Frame]:
        while (frame := self._take()) is not None:
            yield frame

    def close(self) -> None:
        """End the stream."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _take(self) -> Frame | None:
        with self._changed:
            came = self._changed.wait_for(lambda: self._waiting is not None or self._closed, self._patience_s)
            if not came:
                raise SourceError("the browser sends no picture: allow the page to use the camera, and start again")
            frame, self._waiting = self._waiting, None
            return None if self._closed else frame
