"""Manages GPU buffers that persist across frames at fixed addresses, as captured CUDA graphs require."""

from collections.abc import Callable, Hashable
from contextlib import ExitStack
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.engines.tensorrt.device import CudaStream, DeviceMemory, Gpu, GpuArray, PinnedArray, TimedSpan, to_device
from rtseg.engines.tensorrt.lazy_array import ArraysByKey
from rtseg.frame import Image

SLOTS = 2


class UploadSlot:
    """Holds one frame's buffers on host and device.

    upload: the time span of its copy, if one is made. consumed: the event recorded after the last read of the frame.
    """

    def __init__(
        self, gpu: Gpu, memory: DeviceMemory, shape: tuple[int, ...], number: int, stream: int, *, mapped: bool
    ) -> None:
        self.number, self.host = number, PinnedArray(shape, np.uint8, mapped=mapped)
        self.upload, self.consumed = TimedSpan(gpu), gpu.event()
        self.key = ("frame", number, shape)
        self._own = None if mapped else memory.array(shape, np.uint8)
        pointer = self.host.pointer if self._own is None else self._own.pointer
        self.device = GpuArray(pointer, shape, np.uint8, stream, self._own)

    def put(self, image: Image, copies: CudaStream) -> None:
        """Copy an image into this slot on the copy stream, after the previous frame here has been read."""
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


class UploadRing:
    """Holds the upload slots for frames of one size; a frame of another size reallocates them.

    work: the stream that reads the frames. on_change: called before the buffers of the old size are freed.
    """

    def __init__(
        self, gpu: Gpu, memory: DeviceMemory, work: CudaStream, on_change: Callable[[], None], *, mapped: bool
    ) -> None:
        self._gpu, self._memory, self._work, self._mapped = gpu, memory, work, mapped
        self._on_change, self._copies = on_change, gpu.stream()
        self.slots: list[UploadSlot] = []
        self._prefetched: tuple[Image, UploadSlot] | None = None
        self._newest = 0
        self._lock = Lock()

    def prefetch(self, image: Image) -> None:
        """Start the upload of the next frame, from any thread; a frame of another size is left to `take`."""
        with self._lock:
            if self.slots and self.slots[0].host.array.shape == image.shape:
                self._prefetched = image, self._put(image)

    def take(self, image: Image) -> UploadSlot:
        """Return the slot of a frame: the prefetched one, or one whose upload starts now."""
        with self._lock:
            ahead, self._prefetched = self._prefetched, None
            slot = ahead[1] if ahead and ahead[0] is image else self._put(image)
            self._newest = slot.number
            return slot

    def await_upload(self, slot: UploadSlot) -> None:
        """Make the work stream wait for the frame's copy."""
        self._work.wait_for_event(slot.upload.ended)

    def mark_read(self, slot: UploadSlot) -> None:
        """Record on the work stream that all readers of the frame are enqueued."""
        slot.consumed.record(self._work)

    def close(self) -> None:
        """Free the host buffers, after both streams are idle."""
        self._prefetched = None
        with ExitStack() as all_of_it:  # a failure in one step does not skip the others
            for slot in self.slots:
                all_of_it.callback(slot.host.close)
            self.slots = []
            all_of_it.callback(self._work.synchronize)
            all_of_it.callback(self._copies.synchronize)

    def _put(self, image: Image) -> UploadSlot:
        if not self.slots or self.slots[0].host.array.shape != image.shape:
            self._make(image.shape)
        slot = self.slots[(self._newest + 1) % SLOTS]
        slot.put(image, self._copies)
        return slot

    def _make(self, shape: tuple[int, ...]) -> None:
        self._on_change()
        self.close()
        stream, made = self._work.handle, list[UploadSlot]()
        with ExitStack() as undone:  # if the memory suffices for some slots only
            for number in range(SLOTS):
                made.append(UploadSlot(self._gpu, self._memory, shape, number, stream, mapped=self._mapped))
                undone.callback(made[-1].host.close)
            undone.pop_all()
        self.slots = made


class StagingBuffer:
    """Uploads per-frame values from pinned host memory to a fixed GPU buffer."""

    def __init__(self, gpu: Gpu, memory: DeviceMemory, name: str, shape: tuple[int, ...]) -> None:
        self.key, self._copied = ("brought", name, shape), gpu.event()
        self._host = PinnedArray(shape, np.float32, mapped=False)
        self.device = memory.array(shape, np.float32)

    def put(self, values: npt.NDArray[np.float32], stream: Any) -> None:
        """Enqueue the upload behind all readers of the previous frame's values."""
        self._copied.synchronize()
        np.copyto(self._host.array, values)
        to_device(self.device.pointer, self._host.array, stream)
        self._copied.record(stream)

    def close(self) -> None:
        """Free the pinned memory."""
        self._host.close()


class DoubleBuffer:
    """Alternates between two GPU buffers: each frame reads one and writes the other, without a copy."""

    def __init__(self, memory: DeviceMemory, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        self._name, self._shape, self.side = name, shape, 0
        self._buffers = memory.array(shape, dtype), memory.array(shape, dtype)

    @property
    def key(self) -> Hashable:
        """Return the key of the buffer with the newest values."""
        return self._key(self.side)

    @property
    def spare(self) -> GpuArray:
        """Return the buffer that is written next."""
        return self._buffers[1 - self.side]

    def leaves(self) -> ArraysByKey:
        """Return both buffers by key."""
        return {self._key(side): slot for side, slot in enumerate(self._buffers)}

    def _key(self, side: int) -> Hashable:
        return ("kept", self._name, self._shape, side)


class PersistentBuffers:
    """Holds one engine's persistent buffers by name and shape, until the engine closes."""

    def __init__(self, gpu: Gpu, memory: DeviceMemory, stream: Any) -> None:
        self._gpu, self._memory, self._stream = gpu, memory, stream
        self._staging: dict[tuple[str, tuple[int, ...]], StagingBuffer] = {}
        self._double_buffers: dict[tuple[str, tuple[int, ...]], DoubleBuffer] = {}

    @property
    def sides(self) -> tuple[int, ...]:
        """Return the index of the newest buffer of each double buffer; a captured graph is valid for these only."""
        return tuple(double_buffer.side for double_buffer in self._double_buffers.values())

    def leaves(self) -> ArraysByKey:
        """Return all persistent arrays by key."""
        found: ArraysByKey = {staging.key: staging.device for staging in self._staging.values()}
        for double_buffer in self._double_buffers.values():
            found |= double_buffer.leaves()
        return found

    def upload_values(self, name: str, values: npt.NDArray[np.float32]) -> Hashable:
        """Upload values, and return the key of their buffer."""
        if (name, values.shape) not in self._staging:
            self._staging[name, values.shape] = StagingBuffer(self._gpu, self._memory, name, values.shape)
        there = self._staging[name, values.shape]
        there.put(values, self._stream)
        return there.key

    def double_buffer(self, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> DoubleBuffer:
        """Return the double buffer of a name and shape, allocated on first use."""
        if (name, shape) not in self._double_buffers:
            self._double_buffers[name, shape] = DoubleBuffer(self._memory, name, shape, dtype)
        return self._double_buffers[name, shape]

    def close(self) -> None:
        """Free the pinned memory."""
        with ExitStack() as all_of_them:
            for staging in self._staging.values():
                all_of_them.callback(staging.close)
            self._staging, self._double_buffers = {}, {}


def copy_to_device(target: GpuArray, source: npt.NDArray[Any], stream: CudaStream) -> None:
    """Copy an array in pageable memory to the device in stream order, and block until it is there."""
    pinned = PinnedArray(source.shape, source.dtype, mapped=False)
    try:
        np.copyto(pinned.array, source)
        to_device(target.pointer, pinned.array, stream)
        stream.synchronize()
    finally:
        pinned.close()
