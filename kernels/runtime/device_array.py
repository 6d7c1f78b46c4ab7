"""Holds arrays on a GPU, the memory pool that they come from, and CUDA graphs that are captured once and replayed."""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.errors import EngineError, ImageError
from rtseg.frame import Image
from rtseg.kernels.runtime.cuda import KernelLibrary, data_pointer, launch, library, stream_of

MAX_FREE_BLOCKS = 64  # free blocks that the pool holds for the next array of their size

MemoryBlock = tuple[int, int, int]  # bytes, stream, pointer


class DeviceMemoryPool:
    """Recycles device memory by size and stream, so that frames of one size allocate nothing after the first."""

    def __init__(self, source: KernelLibrary) -> None:
        self._library = source
        self._returned: deque[MemoryBlock] = deque()  # deallocated, and not yet sorted into the lists below
        self._free: list[MemoryBlock] = []  # least recently used first
        self._captured: dict[int, list[MemoryBlock]] = {}  # by stream under capture: its graph reuses the blocks
        self._lock = Lock()

    def allocate(self, size: int, stream: int) -> int:
        """Return a pointer to `size` bytes for work on the stream. Raises EngineError."""
        with self._lock:
            self._sort_returned()
            for blocks in (self._captured.get(stream, []), self._free):
                for block in blocks:
                    if block[:2] == (size, stream):
                        blocks.remove(block)
                        return block[2]
        return self._library.create("allocate", size)

    def deallocate(self, size: int, stream: int, pointer: int) -> None:
        """Return memory to the pool; work that is already on its stream may still use it.

        The garbage collector may call this at any moment, even inside `allocate`: no lock is taken.
        """
        self._returned.append((size, stream, pointer))

    def begin_capture(self, stream: int) -> list[MemoryBlock]:
        """Collect the stream's deallocated blocks in the list that is returned, until `end_capture`."""
        with self._lock:
            self._sort_returned()
            return self._captured.setdefault(stream, [])

    def end_capture(self, stream: int) -> None:
        """Stop collecting the stream's blocks, as `begin_capture` started."""
        with self._lock:
            self._sort_returned()
            del self._captured[stream]

    def free_stream(self, stream: int) -> None:
        """Free the stream's unused blocks, before the stream is destroyed. Raises EngineError."""
        with self._lock:
            self._sort_returned()
            gone = [block for block in self._free if block[1] == stream]
            self._free = [block for block in self._free if block[1] != stream]
        with ExitStack() as all_of_them:
            for block in gone:
                all_of_them.callback(self._library.call, "free", block[2])

    def _sort_returned(self) -> None:
        while self._returned:
            block = self._returned.popleft()
            self._captured.get(block[1], self._free).append(block)
        while len(self._free) > MAX_FREE_BLOCKS and not self._captured:  # CUDA frees nothing while it captures
            self._library.call("free", self._free.pop(0)[2])


_pools: dict[KernelLibrary, DeviceMemoryPool] = {}


def pool() -> DeviceMemoryPool:
    """Return the memory pool of the library in use. Raises EngineError."""
    return _pools.setdefault(library(), DeviceMemoryPool(library()))


class DeviceArray:
    """Holds a C-contiguous array on a GPU, whose memory returns to the pool with the last reference.

    stream: a cudaStream_t as a number, 0 for the default stream; all work on the array runs there.
    """

    __slots__ = ("_library", "_pool", "dtype", "pointer", "shape", "stream")

    def __init__(self, shape: Sequence[int], dtype: npt.DTypeLike, stream: int = 0) -> None:
        self.shape, self.dtype, self.stream = tuple(map(int, shape)), np.dtype(dtype), stream
        self._library, self._pool = library(), pool()
        self.pointer = self._pool.allocate(self.nbytes, stream)

    def __del__(self) -> None:
        if hasattr(self, "pointer"):
            self._pool.deallocate(self.nbytes, self.stream, self.pointer)

    @classmethod
    def of(cls, host: npt.NDArray[Any], stream: int = 0) -> "DeviceArray":
        """Copy a NumPy array to the GPU. Raises EngineError."""
        array = cls(host.shape, host.dtype, stream)
        array.write(host)
        return array

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        described = {"shape": self.shape, "typestr": self.dtype.str, "data": (self.pointer, False), "version": 3}
        return described | {"strides": None, "stream": self.stream or 1}  # 1 names the default stream

    def write(self, host: npt.NDArray[Any]) -> None:
        """Upload a NumPy array of the same shape and dtype. Raises ImageError, EngineError.

        CUDA has read pageable memory when this returns.
        """
        if (host.shape, host.dtype) != (self.shape, self.dtype):
            raise ImageError(f"{host.dtype} {host.shape} does not fit into {self.dtype} {self.shape}: make an array for it")
        source = np.ascontiguousarray(host)
        self._library.call("upload", self.pointer, source.ctypes.data, self.nbytes, self.stream)

    def numpy(self) -> npt.NDArray[Any]:
        """Download a copy to host memory, after synchronizing the stream. Raises EngineError."""
        host = np.empty(self.shape, self.dtype)
        self._library.call("download", host.ctypes.data, self.pointer, self.nbytes, self.stream)
        self._library.call("synchronise", self.stream)
        return host


def out_or_device_array(out: Any, shape: Sequence[int], dtype: npt.DTypeLike, beside: object) -> Any:
    """Return `out`, or a new array on the stream of `beside` where it is None."""
    return DeviceArray(shape, dtype, stream_of(beside)) if out is None else out


def copy_if_same_memory(array: Any, result: Any) -> Any:
    """Return `array`, or a copy where `result` starts at the same address: for kernels that read a pixel's neighbors."""
    if data_pointer(array) != data_pointer(result):
        return array
    copy = DeviceArray(array.shape, array.dtype, stream_of(array))
    launch("copy", copy, array, copy.nbytes)
    return copy


class CudaGraph:
    """Captures the work that `work` puts on a stream, and replays it in one call.

    stream: not the default one. work: called once; it must neither synchronize the stream nor allocate. Call it once before,
    so that the pool holds the memory that it needs. A replay uses the same memory: inputs and outputs must stay alive.
    Raises EngineError.
    """

    def __init__(self, stream: int, work: Callable[[], object]) -> None:
        self._runnable, self._blocks = 0, list[MemoryBlock]()
        self._library, self._pool, self._stream = library(), pool(), stream
        self._blocks = self._pool.begin_capture(stream)
        try:
            self._library.call("capture_begin", stream)
            try:
                work()
            finally:
                self._runnable = self._library.create("capture_end", stream)
        finally:
            self._pool.end_capture(stream)

    def replay(self) -> None:
        """Put the captured work on the stream again. Raises EngineError."""
        self._library.call("replay", self._runnable, self._stream)

    def __del__(self) -> None:
        if self._runnable:
            with suppress(EngineError):  # on a broken GPU this fails too, and the first error was raised already
                self._library.call("graph_destroy", self._runnable)
        for block in self._blocks:
            self._pool.deallocate(*block)


def launch_filter(name: str, image: Image, out: Image | None, *how: object) -> Any:
    """Launch a filter of a gray image (H, W) uint8; `how` are its options. Raises EngineError, ImageError."""
    result = out_or_device_array(out, image.shape, np.uint8, image)
    launch(name, copy_if_same_memory(image, result), *image.shape, *how, result)
    return result


def launch_diffusion(name: str, image: Image, out: Image | None, *how: object) -> Any:
    """Launch a filter of a gray image with two float planes of scratch memory. Raises EngineError, ImageError."""
    between = DeviceArray((2, *image.shape), np.float32, stream_of(image))
    return launch_filter(name, image, out, *how, between)


Floats = npt.NDArray[np.float32]


def launch_map(name: str, plane: Any, out: Any, *how: object) -> Any:
    """Launch a kernel whose result is (H, W) uint8, of the size of `plane`. Raises EngineError, ImageError."""
    result = out_or_device_array(out, plane.shape, np.uint8, plane)
    launch(name, plane, *plane.shape, *how, result)
    return result


def scratch_array(array: Any, shape: Sequence[int], dtype: npt.DTypeLike) -> DeviceArray:
    """Return uninitialized scratch memory on the array's stream. Raises EngineError."""
    return DeviceArray(shape, dtype, stream_of(array))


def int_scratch_planes(plane: Any, count: int) -> list[DeviceArray]:
    """Return `count` int32 planes of scratch memory, each of the size of `plane`. Raises EngineError."""
    return [scratch_array(plane, plane.shape, np.int32) for _ in range(count)]


def element_count(array: Any) -> int:
    return int(np.prod(array.shape))
