"""Broadcast the newest image as a JPEG: encoded once for all viewers, and never queued."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from time import perf_counter_ns

import cv2
import numpy as np

from rtseg.errors import ConfigError, ViewerRefused
from rtseg.frame import Image
from rtseg.sinks.view.viewport import Viewport, covering_viewport

_MAX_HEIGHT = 1 << 14  # pixels


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """Holds an image encoded as JPEG."""

    jpeg: bytes
    number: int  # counts the encoded images, from 1
    captured_ns: int  # time of capture, by perf_counter_ns
    encoded_ns: int  # end of the encoding, by perf_counter_ns

    @property
    def age_ms(self) -> float:
        """Return the frame's age in milliseconds at the end of the encoding."""
        return (self.encoded_ns - self.captured_ns) / 1e6


class Broadcast:
    """Distributes the newest image to many viewers, each at its own pace.

    `show` never blocks: an image that is replaced before it was encoded is skipped, and counted in `skipped`. A slow viewer
    gets the newest image with its next request. One encoded image serves all viewers; it is shrunk to the largest viewport.
    max_viewers: limit of concurrent viewers. quality: of the JPEG, 1 to 100. max_width: limit in pixels, for any viewport.
    Raises ConfigError.
    """

    def __init__(self, max_viewers: int = 8, quality: int = 80, max_width: int = 1920) -> None:
        if not 1 <= quality <= 100 or max_width < 16 or max_viewers < 1:
            raise ConfigError("a broadcast needs a quality of 1 to 100, a width from 16 and at least one viewer: give these")
        self._max_viewers, self._quality, self._max_viewport = max_viewers, quality, Viewport(max_width, _MAX_HEIGHT)
        self._changed = threading.Condition()
        self._waiting: tuple[Image, int, int] | None = None  # the image to encode next, its time of capture and its id
        self._spare: list[Image] = []
        self._thread: threading.Thread | None = None
        self._closed = False
        self._newest: EncodedFrame | None = None
        self._viewports: list[Viewport] = []  # one for each viewer
        self.skipped = 0

    @property
    def viewers(self) -> int:
        """Return the number of viewers."""
        return len(self._viewports)

    @property
    def newest(self) -> EncodedFrame | None:
        """Return the image that was encoded last; None before the first."""
        return self._newest

    @property
    def is_closed(self) -> bool:
        """Return True when the broadcast is over and no image will follow."""
        return self._closed

    def open(self) -> None:
        """Start the encoding thread; viewers of the previous stream stay."""
        self.close()
        self._closed = False
        self._thread = threading.Thread(target=copy_context().run, args=(self._encode_all,), name="rtseg-jpeg", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the encoding thread and unblock every viewer; harmless twice."""
        with self._changed:
            self._closed, self._waiting = True, None
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def take_canvas(self, shape: tuple[int, ...]) -> Image:
        """Return an unused array (H, W, 3) uint8 to draw the next image into."""
        with self._changed:
            fitting = [spare for spare in self._spare if spare.shape == shape]
            self._spare = fitting[1:]
        return fitting[0] if fitting else np.empty(shape, np.uint8)

    def show(self, picture: Image, captured_ns: int, picture_id: int = 0) -> None:
        """Offer an image (H, W, 3) uint8 RGB; the broadcast takes ownership of it.

        picture_id: told to viewers in the JPEG's comment, so that they can say at which image they point; 0 for none.
        """
        with self._changed:
            if self._waiting is not None:
                self.skipped += 1
                self._spare.append(self._waiting[0])
            self._waiting = picture, captured_ns, picture_id
            self._changed.notify_all()

    @contextmanager
    def viewer(self, viewport: Viewport | None = None) -> Iterator[None]:
        """Register a viewer while the `with` block runs. Raises ViewerRefused when there are too many.

        viewport: the size at which the viewer displays the image; None for the maximum.
        """
        taken = viewport or self._max_viewport
        with self._changed:
            if self.viewers >= self._max_viewers:
                raise ViewerRefused(f"{self.viewers} look already: close another page of this stream first")
            self._viewports.append(taken)
        try:
            yield
        finally:
            with self._changed:
                self._viewports.remove(taken)

    def wait_for_newer(self, after: int, timeout_s: float) -> EncodedFrame | None:
        """Block until the newest image's number exceeds `after`, and return it; None after `timeout_s` or `close`."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._has_newer(after), timeout_s)
            return self._newest if self._has_newer(after) and not self._closed else None

    def _has_newer(self, number: int) -> bool:
        return self._newest is not None and self._newest.number > number

    def _encode_all(self) -> None:
        while (taken := self._take()) is not None:
            picture, captured_ns, picture_id = taken
            jpeg = _jpeg(self._target_viewport().fit(picture), self._quality)
            jpeg = _commented(jpeg, picture_id) if picture_id else jpeg
            with self._changed:
                number = self._newest.number + 1 if self._newest else 1
                self._newest = EncodedFrame(jpeg, number, captured_ns, perf_counter_ns())
                self._spare = [*self._spare[:1], picture]  # at most one array each is being drawn, queued and encoded
                self._changed.notify_all()

    def _target_viewport(self) -> Viewport:
        """Return the smallest viewport that covers those of all viewers."""
        with self._changed:
            return covering_viewport(self._viewports, self._max_viewport)

    def _take(self) -> tuple[Image, int, int] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting is not None or self._closed)
            taken, self._waiting = self._waiting, None
            return taken


def _jpeg(picture: Image, quality: int) -> bytes:
    _, coded = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return coded.tobytes()


def _commented(jpeg: bytes, picture_id: int) -> bytes:
    """Return a JPEG with an id in a comment segment (ITU-T T.81, B.2.4.5) behind its first marker."""
    text = b"%d" % picture_id
    return jpeg[:2] + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text + jpeg[2:]
