"""Play a few pictures to and fro for a number of seconds, as fast as they are taken or at a frame rate."""

from collections.abc import Iterator
from threading import Event
from time import perf_counter_ns

import numpy as np
import numpy.typing as npt

from rtseg.frame import Frame, StreamInfo
from rtseg.sources import open_source

PICTURES = 8  # different ones


class MovingPictures:
    """Yields synthetic ultrasound of 640x480 until it is closed; two successive pictures always differ.

    seed: other streams have other noise. fps: 0: as fast as they are taken; else a live source with this frame rate.
    """

    def __init__(self, seed: int, fps: float = 0.0, size: tuple[int, int] = (480, 640)) -> None:
        height, width = size
        self.info = StreamInfo(height, width, fps or 25.0, live=fps > 0)
        made = open_source(f"synthetic:vessel?height={height}&width={width}&frames={PICTURES}&seed={seed}")
        self._pictures: list[npt.NDArray[np.uint8]] = [frame.image for frame in made]
        self._period_ns = round(1e9 / fps) if fps else 0
        self._closed = Event()

    def __iter__(self) -> Iterator[Frame]:
        order = [*range(PICTURES), *range(PICTURES - 2, 0, -1)]
        index, began_ns = 0, perf_counter_ns()
        while not self._closed.is_set():
            due_ns = began_ns + index * self._period_ns
            if self._period_ns and self._closed.wait(max(0, due_ns - perf_counter_ns()) / 1e9):
                return
            yield Frame(self._pictures[order[index % len(order)]], index, perf_counter_ns())
            index += 1

    def close(self) -> None:
        """End the iteration."""
        self._closed.set()
