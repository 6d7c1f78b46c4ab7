"""A GPU by pycuda: its primary context, streams, events, and memory on both sides (extra `tensorrt`)."""

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from weakref import WeakSet

import numpy as np
import numpy.typing as npt

from rtseg.errors import EngineError, MissingExtra

try:
    import pycuda.driver as cuda
except ImportError as error:
    if "libcuda" in str(error):
        raise EngineError(f"there is no NVIDIA driver here ({error}): install one, or run on the CPU") from error
    raise MissingExtra("the TensorRT engine", "tensorrt") from error

_log = logging.getLogger(__name__)

NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING: pycuda has no name for it
REOPEN = "what runs on this GPU is lost: close the engine and open it again, or run on the CPU"


class Gpu:
    """One GPU, its primary context held until `close`. Raises EngineError where there is none."""

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
        # Jetson: the CPU and the GPU share one memory, and a copy between them is a waste.
        self.integrated = bool(self._device.get_attribute(cuda.device_attribute.INTEGRATED))
        self._lent = WeakSet["Stream | Event"]()

    @contextmanager
    def current(self) -> Iterator[None]:
        """The body's CUDA calls go to this GPU, from whatever thread. Raises EngineError for theirs."""
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

    def stream(self) -> "Stream":
        """A new stream, which does not wait for the default one."""
        self._lent.add(made := Stream())
        return made

    def event(self, *, timed: bool = False) -> "Event":
        """A new event. timed: it reads the GPU's clock."""
        self._lent.add(made := Event(timed=timed))
        return made

    def close(self) -> None:
        """Give streams, events and the context back, whoever still names them; closing twice is harmless."""
        context, self._context = self._context, None
        if context is None:
            return
        try:
            context.push()  # pycuda gives back nothing where it is not current, if another thread opened it
            for lent in [*self._lent]:
                lent.close()
        except cuda.Error as error:
            _log.warning("the GPU did not take its context back: %s", error)
        context.detach()


class Stream:
    """What is put on it is done in turn. own: pycuda's, which goes with `close`, since it outlives no context."""

    def __init__(self) -> None:
        self.own: Any = cuda.Stream(NON_BLOCKING)

    @property
    def handle(self) -> int:
        """CUDA's own, for TensorRT and the kernels."""
        return int(self.own.handle)

    def synchronize(self) -> None:
        """Wait until all on it is done."""
        self.own.synchronize()

    def wait_for_event(self, event: "Event") -> None:
        """Let what is put on it from now on wait for an event."""
        self.own.wait_for_event(event.own)

    def close(self) -> None:
        """Give it back."""
        self.own = None


class Event:
    """A moment in a stream. own: pycuda's, which goes with `close`, since it outlives no context."""

    def __init__(self, *, timed: bool = False) -> None:
        self.own: Any = cuda.Event(cuda.event_flags.DEFAULT if timed else cuda.event_flags.DISABLE_TIMING)

    def record(self, stream: Stream) -> None:
        """Let it stand behind all that is on the stream."""
        self.own.record(stream.own)

    def synchronize(self) -> None:
        """Wait until the stream has come to it; not at all where it was never recorded."""
        self.own.synchronize()

    def close(self) -> None:
        """Give it back."""
        self.own = None


class Span:
    """A stretch of a stream, from what is put on it after `begin` to what is before `end`, by the GPU's own clock."""

    def __init__(self, gpu: Gpu) -> None:
        self._began, self.ended = gpu.event(timed=True), gpu.event(timed=True)

    def begin(self, stream: Stream) -> None:
        """Here it begins."""
        self._began.record(stream)

    def end(self, stream: Stream) -> None:
        """Here it ends; the last one counts."""
        self.ended.record(stream)

    def ns(self) -> int:
        """How long it took, in nanoseconds, to about 500 (cuEventElapsedTime); waits for its end."""
        self.ended.synchronize()
        milliseconds: float = self._began.own.time_till(self.ended.own)
        return round(1e6 * milliseconds)


class GpuArray:
    """A C-contiguous array on the GPU, for kernels, in memory that somebody keeps.

    keeper: what must live as long as the array does.
    """

    __slots__ = ("__weakref__", "dtype", "keeper", "pointer", "shape", "stream")

    def __init__(self, pointer: int, shape: Sequence[int], dtype: npt.DTypeLike, stream: int, keeper: object = None) -> None:
        self.pointer, self.shape, self.dtype = pointer, tuple(shape), np.dtype(dtype)
        self.stream, self.keeper = stream, keeper

    @property
    def nbytes(self) -> int:
        return bytes_of(self.shape, self.dtype)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        described = {"shape": self.shape, "typestr": self.dtype.str, "data": (self.pointer, False), "version": 3}
        return described | {"strides": None, "stream": self.stream}


class Memory:
    """Device memory for one stream: what is dropped serves again, and `close` frees it all."""

    def __init__(self, stream: int) -> None:
        self._stream = stream
        self._blocks: list[Any] = []  # pycuda's allocations
        self._dropped: deque[tuple[int, int]] = deque()  # bytes, pointer

    def array(self, shape: Sequence[int], dtype: npt.DTypeLike) -> GpuArray:
        """An array of this shape; its content is anybody's guess."""
        size = bytes_of(shape, dtype)
        reused = next((block for block in self._dropped if block[0] == size), None)
        if reused:
            self._dropped.remove(reused)
        else:
            self._blocks.append(cuda.mem_alloc(size))
        pointer = reused[1] if reused else int(self._blocks[-1])
        return GpuArray(pointer, shape, dtype, self._stream, _Kept(self._dropped, size, pointer))

    def zeros(self, shape: Sequence[int], dtype: npt.DTypeLike, stream: Stream) -> GpuArray:
        """An array of zeros, once the stream has come to it."""
        array = self.array(shape, dtype)
        cuda.memset_d8_async(array.pointer, 0, array.nbytes, stream.own)
        return array

    def close(self) -> None:
        """Free everything, in use or not."""
        with ExitStack() as all_of_them:  # whatever happens to one of them
            for block in self._blocks:
                all_of_them.callback(block.free)
            self._blocks = []


class _Kept:
    """Memory that goes back to its list with the last array in it; the garbage collector may do so at any moment."""

    __slots__ = ("_block", "_dropped")

    def __init__(self, dropped: "deque[tuple[int, int]]", size: int, pointer: int) -> None:
        self._dropped, self._block = dropped, (size, pointer)

    def __del__(self) -> None:
        self._dropped.append(self._block)


class Pinned:
    """An array in pinned host memory. mapped: the GPU reads and writes it in place, at `pointer`."""

    def __init__(self, shape: Sequence[int], dtype: npt.DTypeLike, *, mapped: bool) -> None:
        flags = cuda.host_alloc_flags.DEVICEMAP if mapped else 0
        self.array: npt.NDArray[Any] = cuda.pagelocked_empty(tuple(shape), dtype, mem_flags=flags)
        self._allocation: Any = self.array.base
        self.pointer = int(self._allocation.get_device_pointer()) if mapped else 0

    def close(self) -> None:
        """Free the memory: nobody may have a view of it."""
        self._allocation.free()


def to_device(target: int, source: npt.NDArray[Any], stream: Stream) -> None:
    """Put a copy from pinned memory on the stream."""
    cuda.memcpy_htod_async(target, source, stream.own)


def to_host(target: npt.NDArray[Any], source: int, stream: Stream) -> None:
    """Put a copy into pinned memory on the stream."""
    cuda.memcpy_dtoh_async(target, source, stream.own)


def bytes_of(shape: Sequence[int], dtype: npt.DTypeLike) -> int:
    """The size of a C-contiguous array."""
    return int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
