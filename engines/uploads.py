"""Frames on their way up to the GPU: two places that take turns, so that a frame can come while the one before is worked on."""

from collections.abc import Callable
from contextlib import ExitStack
from threading import Lock

import numpy as np

from rtseg.engines.gpu import Gpu, GpuArray, Memory, Pinned, Span, Stream, to_device
from rtseg.frame import Image

PLACES = 2


class Place:
    """Where one frame lies on either side. upload: its copy, where one is made; consumed: the event that says it was read."""

    def __init__(self, gpu: Gpu, memory: Memory, shape: tuple[int, ...], number: int, stream: int, *, mapped: bool) -> None:
        self.number, self.host = number, Pinned(shape, np.uint8, mapped=mapped)
        self.upload, self.consumed = Span(gpu), gpu.event()
        self.key = ("frame", number, shape)
        self._own = None if mapped else memory.array(shape, np.uint8)
        pointer = self.host.pointer if self._own is None else self._own.pointer
        self.device = GpuArray(pointer, shape, np.uint8, stream, self._own)

    def put(self, image: Image, copies: Stream) -> None:
        """Copy an image here, on the stream for copies, once what was here is read."""
        self.upload.ended.synchronize()
        if self._own is None:
            self.consumed.synchronize()
        np.copyto(self.host.array, image)
        if self._own is not None:
            copies.wait_for_event(self.consumed)
        self.upload.begin(copies)
        if self._own is not None:
            to_device(self.device.pointer, self.host.array, copies)
        self.upload.end(copies)


class Uploads:
    """The places for frames of one size; another size makes them anew.

    work: the stream that reads the frames. on_change: called before the memory of the old size goes.
    """

    def __init__(self, gpu: Gpu, memory: Memory, work: Stream, on_change: Callable[[], None], *, mapped: bool) -> None:
        self._gpu, self._memory, self._work, self._mapped = gpu, memory, work, mapped
        self._on_change, self._copies = on_change, gpu.stream()
        self.places: list[Place] = []
        self._ahead: tuple[Image, Place] | None = None
        self._newest = 0
        self._lock = Lock()

    def ahead(self, image: Image) -> None:
        """Begin to bring up the frame that is wanted next; from any thread. One of another size waits for its turn."""
        with self._lock:
            if self.places and self.places[0].host.array.shape == image.shape:
                self._ahead = image, self._put(image)

    def take(self, image: Image) -> Place:
        """The place of a frame, which is on its way up or is sent now."""
        with self._lock:
            ahead, self._ahead = self._ahead, None
            place = ahead[1] if ahead and ahead[0] is image else self._put(image)
            self._newest = place.number
            return place

    def await_upload(self, place: Place) -> None:
        """Let the work on a frame wait for its copy."""
        self._work.wait_for_event(place.upload.ended)

    def read(self, place: Place) -> None:
        """Say that all that reads a frame is on the stream."""
        place.consumed.record(self._work)

    def close(self) -> None:
        """Give back the memory."""
        self._ahead = None
        with ExitStack() as all_of_it:  # whatever happens to one part
            for place in self.places:
                all_of_it.callback(place.host.close)
            self.places = []
            all_of_it.callback(self._work.synchronize)
            all_of_it.callback(self._copies.synchronize)

    def _put(self, image: Image) -> Place:
        if not self.places or self.places[0].host.array.shape != image.shape:
            self._make(image.shape)
        place = self.places[(self._newest + 1) % PLACES]
        place.put(image, self._copies)
        return place

    def _make(self, shape: tuple[int, ...]) -> None:
        self._on_change()
        self.close()
        stream, made = self._work.handle, list[Place]()
        with ExitStack() as undone:  # where there is no memory for all of them
            for number in range(PLACES):
                made.append(Place(self._gpu, self._memory, shape, number, stream, mapped=self._mapped))
                undone.callback(made[-1].host.close)
            undone.pop_all()
        self.places = made
