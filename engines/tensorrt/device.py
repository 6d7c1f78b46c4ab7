"""Wraps pycuda: a GPU's primary context, its streams and events, device memory and pinned memory (extra `tensorrt`)."""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from threading import Thread
from typing import Any
from weakref import WeakSet

import numpy as np
import numpy.typing as npt

from rtseg.errors import EngineError, MissingExtra
from rtseg.text.log_records import get_logger

try:
    import pycuda.driver as cuda
except ImportError as error:
    if "libcuda" in str(error):
        raise EngineError(f"there is no NVIDIA driver here ({error}): install one, or run on the CPU") from error
    raise MissingExtra("the TensorRT engine", "tensorrt") from error

_log = get_logger(__name__)

NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING: pycuda has no name for it
REOPEN = "what runs on this GPU is lost: close the engine and open it again, or run on the CPU"


def pycuda_cuda_version() -> int:
    """Return the CUDA version that pycuda was built with, as 12040 for 12.4."""
    major, minor = (int(part) for part in cuda.get_version()[:2])
    return 1000 * major + 10 * minor


class Gpu:
    """Holds a GPU's primary context until `close`. Raises EngineError where the GPU cannot be opened."""

    def __init__(self, number: int = 0) -> None:
        try:
            cuda.init()
            self._device = cuda.Device(number)
            self._context: Any = self._device.retain_primary_context()
        except cuda.Error as error:
            raise EngineError(f"GPU {number} cannot be opened ({error}): plug one in, or run on the CPU") from error
        self.name = str(self._device.name())
        major, minor = self._device.compute_capability()
        self.sm = f"sm_{major}{minor}"
        self.driver = str(cuda.get_driver_version())
        self.sm_count = int(self._device.get_attribute(cuda.device_attribute.MULTIPROCESSOR_COUNT))
        self.memory_gib = round(self._device.total_memory() / 2**30)  # the last megabytes differ with the kernel's version
        # On a Jetson the CPU and the GPU share their memory, so a copy between them is unnecessary.
        self.integrated = bool(self._device.get_attribute(cuda.device_attribute.INTEGRATED))
        self._children = WeakSet["CudaStream | CudaEvent"]()

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make the GPU current for the body, in any thread; its CUDA errors become EngineError."""
        if self._context is None:
            raise EngineError("this GPU's engine is closed: load it again")
        try:
            self._context.push()
            try:
                yield
            finally:
                cuda.Context.pop()
        except cuda.MemoryError as error:
            raise EngineError(f"the GPU has no memory left ({error}): free some of it, or use a smaller model") from error
        except cuda.Error as error:
            raise EngineError(f"CUDA failed ({error}): {REOPEN}") from error

    @property
    def is_open(self) -> bool:
        return self._context is not None

    def stream(self) -> "CudaStream":
        """Create a stream that does not synchronize with the default stream."""
        self._children.add(made := CudaStream())
        return made

    def event(self, *, timed: bool = False) -> "CudaEvent":
        """Create an event. timed: it records the GPU's time."""
        self._children.add(made := CudaEvent(timed=timed))
        return made

    def close(self) -> None:
        """Release streams, events and the context, even while references exist; closing twice is harmless."""
        context, self._context = self._context, None
        if context is not None:
            # pycuda leaves a released context current in the thread that releases it: that must not be the caller's.
            thread = Thread(target=self._release, args=(context,), name="rtseg-release")
            thread.start()
            thread.join()

    def _release(self, context: Any) -> None:
        try:
            context.push()  # pycuda releases nothing in a thread in which the context is not current
            for child in [*self._children]:
                child.close()
        except cuda.Error as error:
            _log.warning("the GPU did not take its context back: %s", error)
        context.detach()


class CudaStream:
    """Wraps a CUDA stream. native: pycuda's stream, which `close` drops because it must not outlive its context."""

    def __init__(self) -> None:
        self.native: Any = cuda.Stream(NON_BLOCKING)

    @property
    def handle(self) -> int:
        """Return the CUDA handle, for TensorRT and the kernels."""
        return int(self.native.handle)

    def synchronize(self) -> None:
        """Block until all enqueued work is finished."""
        self.native.synchronize()

    def wait_for_event(self, event: "CudaEvent") -> None:
        """Make the work enqueued from now on wait for an event."""
        self.native.wait_for_event(event.native)

    def close(self) -> None:
        """Release the stream."""
        self.native = None


class CudaEvent:
    """Wraps a CUDA event. native: pycuda's event, which `close` drops because it must not outlive its context."""

    def __init__(self, *, timed: bool = False) -> None:
        self.native: Any = cuda.Event(cuda.event_flags.DEFAULT if timed else cuda.event_flags.DISABLE_TIMING)

    def record(self, stream: CudaStream) -> None:
        """Record the event behind all work on the stream."""
        self.native.record(stream.native)

    def synchronize(self) -> None:
        """Block until the stream reaches the event; return immediately if it was never recorded."""
        self.native.synchronize()

    def close(self) -> None:
        """Release the event."""
        self.native = None


class TimedSpan:
    """Measures the GPU time of the work enqueued between `begin` and `end`."""

    def __init__(self, gpu: Gpu) -> None:
        self._began, self.ended = gpu.event(timed=True), gpu.event(timed=True)

    def begin(self, stream: CudaStream) -> None:
        """Record the start on a stream."""
        self._began.record(stream)

    def end(self, stream: CudaStream) -> None:
        """Record the end on a stream; the last call counts."""
        self.ended.record(stream)

    def ns(self) -> int:
        """Return the duration in nanoseconds, to about 500 ns (cuEventElapsedTime); blocks until the end is reached."""
        self.ended.synchronize()
        milliseconds: float = self._began.native.time_till(self.ended.native)
        return round(1e6 * milliseconds)


class GpuArray:
    """Represents a C-contiguous array on the GPU, for kernels, in memory that it does not own.

    owner: an object that must live as long as the array.
    """

    __slots__ = ("__weakref__", "dtype", "owner", "pointer", "shape", "stream")

    def __init__(self, pointer: int, shape: Sequence[int], dtype: npt.DTypeLike, stream: int, owner: object = None) -> None:
        self.pointer, self.shape, self.dtype = pointer, tuple(shape), np.dtype(dtype)
        self.stream, self.owner = stream, owner

    @property
    def nbytes(self) -> int:
        return bytes_of(self.shape, self.dtype)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        described = {"shape": self.shape, "typestr": self.dtype.str, "data": (self.pointer, False), "version": 3}
        return described | {"strides": None, "stream": self.stream}


class DeviceMemory:
    """Allocates device memory for one stream: the memory of deleted arrays is reused, and `close` frees all of it."""

    def __init__(self, stream: int) -> None:
        self._stream = stream
        self._blocks: list[Any] = []  # pycuda's allocations
        self._dropped: deque[tuple[int, int]] = deque()  # bytes, pointer

    def array(self, shape: Sequence[int], dtype: npt.DTypeLike) -> GpuArray:
        """Return an uninitialized array."""
        size = bytes_of(shape, dtype)
        reused = next((block for block in self._dropped if block[0] == size), None)
        if reused:
            self._dropped.remove(reused)
        else:
            self._blocks.append(cuda.mem_alloc(size))
        pointer = reused[1] if reused else int(self._blocks[-1])
        return GpuArray(pointer, shape, dtype, self._stream, _PooledBlock(self._dropped, size, pointer))

    @staticmethod
    def zero(array: GpuArray, stream: CudaStream) -> None:
        """Fill an array with zeros in stream order."""
        cuda.memset_d8_async(array.pointer, 0, array.nbytes, stream.native)

    def close(self) -> None:
        """Free all memory, even that of live arrays."""
        with ExitStack() as all_of_them:  # a failure with one block does not skip the others
            for block in self._blocks:
                all_of_them.callback(block.free)
            self._blocks = []


class _PooledBlock:
    """Returns a block of memory to the free list when its array is deleted, possibly by the garbage collector."""

    __slots__ = ("_block", "_dropped")

    def __init__(self, dropped: "deque[tuple[int, int]]", size: int, pointer: int) -> None:
        self._dropped, self._block = dropped, (size, pointer)

    def __del__(self) -> None:
        self._dropped.append(self._block)


class PinnedArray:
    """Holds an array in pinned host memory. mapped: the GPU accesses it in place, at `pointer`."""

    def __init__(self, shape: Sequence[int], dtype: npt.DTypeLike, *, mapped: bool) -> None:
        flags = cuda.host_alloc_flags.DEVICEMAP if mapped else 0
        self.array: npt.NDArray[Any] = cuda.pagelocked_empty(tuple(shape), dtype, mem_flags=flags)
        self._allocation: Any = self.array.base
        self.pointer = int(self._allocation.get_device_pointer()) if mapped else 0

    def close(self) -> None:
        """Free the memory; no view of the array may exist."""
        self._allocation.free()


def to_device(target: int, source: npt.NDArray[Any], stream: CudaStream) -> None:
    """Enqueue a copy from pinned host memory to a device address."""
    cuda.memcpy_htod_async(target, source, stream.native)


def to_host(target: npt.NDArray[Any], source: int, stream: CudaStream) -> None:
    """Enqueue a copy from a device address to pinned host memory."""
    cuda.memcpy_dtoh_async(target, source, stream.native)


def bytes_of(shape: Sequence[int], dtype: npt.DTypeLike) -> int:
    """Return the size of a C-contiguous array in bytes."""
    return int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
