"""The newest picture as a JPEG: coded once for all who look, only while somebody does, and never queued."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter_ns

import cv2
import numpy as np

from rtseg.errors import ConfigError, ViewerRefused
from rtseg.frame import Image
from rtseg.sinks.view.viewport import Room, largest

_TALLEST = 1 << 14  # pixels


@dataclass(frozen=True, slots=True)
class Coded:
    """A picture as JPEG. number: counts those that were coded, from 1. captured_ns, coded_ns: by `perf_counter_ns`."""

    jpeg: bytes
    number: int
    captured_ns: int
    coded_ns: int

    @property
    def age_ms(self) -> float:
        """How old its frame was when the picture was ready to be sent."""
        return (self.coded_ns - self.captured_ns) / 1e6


class Broadcast:
    """Hands the newest picture to many viewers, each at its own pace.

    `show` never waits: a picture that was not coded before the next came is skipped, and counted in `skipped`. A viewer that
    is slow gets the newest picture when it asks again. A picture is shrunk to the room that the viewers have for it, but is one
    for all. viewers_most: more are refused. quality: of the JPEG, 1 to 100. widest: in pixels, whatever room there is. Raises
    ConfigError.
    """

    def __init__(self, viewers_most: int = 8, quality: int = 80, widest: int = 1920) -> None:
        if not 1 <= quality <= 100 or widest < 16 or viewers_most < 1:
            raise ConfigError("a broadcast needs a quality of 1 to 100, a width from 16 and at least one viewer: give these")
        self._viewers_most, self._quality, self._most = viewers_most, quality, Room(widest, _TALLEST)
        self._changed = threading.Condition()
        self._waiting: tuple[Image, int] | None = None  # not coded yet
        self._spare: list[Image] = []
        self._thread: threading.Thread | None = None
        self._closed = False
        self._newest: Coded | None = None
        self._rooms: list[Room] = []  # one for each viewer
        self.skipped = 0

    @property
    def viewers(self) -> int:
        """How many look."""
        return len(self._rooms)

    @property
    def newest(self) -> Coded | None:
        """The picture that was coded last; None before the first."""
        return self._newest

    @property
    def closed(self) -> bool:
        """Whether there will be no other picture."""
        return self._closed

    def open(self) -> None:
        """Begin: the thread that codes is started, and viewers of the stream before stay."""
        self.close()
        self._closed = False
        self._thread = threading.Thread(target=self._code_all, name="rtseg-jpeg", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and wake every viewer up; harmless twice."""
        with self._changed:
            self._closed, self._waiting = True, None
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def canvas(self, shape: tuple[int, ...]) -> Image:
        """An array (H, W, 3) to draw the next picture in, which nobody reads."""
        with self._changed:
            fitting = [spare for spare in self._spare if spare.shape == shape]
            self._spare = fitting[1:]
        return fitting[0] if fitting else np.empty(shape, np.uint8)

    def show(self, picture: Image, captured_ns: int) -> None:
        """Offer a picture (H, W, 3) RGB, which is ours from now on."""
        with self._changed:
            if self._waiting is not None:
                self.skipped += 1
                self._spare.append(self._waiting[0])
            self._waiting = picture, captured_ns
            self._changed.notify_all()

    @contextmanager
    def viewer(self, room: Room | None = None) -> Iterator[None]:
        """Somebody looks inside the `with`, who has that much room, or enough. Raises ViewerRefused where they are too many."""
        taken = room or self._most
        with self._changed:
            if self.viewers >= self._viewers_most:
                raise ViewerRefused(f"{self.viewers} look already: close another page of this stream first")
            self._rooms.append(taken)
        try:
            yield
        finally:
            with self._changed:
                self._rooms.remove(taken)

    def next(self, after: int, timeout_s: float) -> Coded | None:
        """The newest picture, once its number is greater than `after`; None after `timeout_s`, or when all is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._is_after(after), timeout_s)
            return self._newest if self._is_after(after) and not self._closed else None

    def _is_after(self, number: int) -> bool:
        return self._newest is not None and self._newest.number > number

    def _code_all(self) -> None:
        while (taken := self._take()) is not None:
            picture, captured_ns = taken
            jpeg = _jpeg(self._room().fit(picture), self._quality)
            with self._changed:
                number = self._newest.number + 1 if self._newest else 1
                self._newest = Coded(jpeg, number, captured_ns, perf_counter_ns())
                self._spare = [*self._spare[:1], picture]  # one is drawn in, one waits, one is coded: more are never needed
                self._changed.notify_all()

    def _room(self) -> Room:
        """What the picture may fill: room enough for everybody."""
        with self._changed:
            return largest(self._rooms, self._most)

    def _take(self) -> tuple[Image, int] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting is not None or self._closed)
            taken, self._waiting = self._waiting, None
            return taken


def _jpeg(picture: Image, quality: int) -> bytes:
    _, coded = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return coded.tobytes()
