"""Arrays on a GPU, the memory that they come from, and graphs: work that is put on a stream once and then replayed."""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.errors import EngineError, ImageError
from rtseg.frame import Image
from rtseg.kernels.runtime.cuda import Library, launch, library, pointer_to, stream_of

MOST_FREE = 64  # blocks of device memory that are kept for the next array of their size

Block = tuple[int, int, int]  # bytes, stream, pointer


class Pool:
    """Device memory by size and stream, so that a steady stream of frames allocates nothing."""

    def __init__(self, source: Library) -> None:
        self._library = source
        self._given: deque[Block] = deque()  # back, and not yet sorted into the lists below
        self._free: list[Block] = []  # the longest unused first
        self._captured: dict[int, list[Block]] = {}  # by stream that is being captured: its graph will use them again
        self._lock = Lock()

    def take(self, size: int, stream: int) -> int:
        """A pointer to `size` bytes that work on the stream may use. Raises EngineError."""
        with self._lock:
            self._sort()
            for blocks in (self._captured.get(stream, []), self._free):
                for block in blocks:
                    if block[:2] == (size, stream):
                        blocks.remove(block)
                        return block[2]
        return self._library.made("allocate", size)

    def give(self, size: int, stream: int, pointer: int) -> None:
        """Take memory back, which what is already on its stream may still use.

        The garbage collector may call this at any moment, inside `take` too: no lock is taken.
        """
        self._given.append((size, stream, pointer))

    def hold(self, stream: int) -> list[Block]:
        """From now on keep the stream's memory in the list that is returned, until `release`."""
        with self._lock:
            self._sort()
            return self._captured.setdefault(stream, [])

    def release(self, stream: int) -> None:
        """End what `hold` began."""
        with self._lock:
            self._sort()
            del self._captured[stream]

    def forget(self, stream: int) -> None:
        """Free what the stream has given back: it is about to be destroyed."""
        with self._lock:
            self._sort()
            gone = [block for block in self._free if block[1] == stream]
            self._free = [block for block in self._free if block[1] != stream]
        with ExitStack() as all_of_them:
            for block in gone:
                all_of_them.callback(self._library.call, "free", block[2])

    def _sort(self) -> None:
        while self._given:
            block = self._given.popleft()
            self._captured.get(block[1], self._free).append(block)
        while len(self._free) > MOST_FREE and not self._captured:  # CUDA frees nothing while it captures
            self._library.call("free", self._free.pop(0)[2])


_pools: dict[Library, Pool] = {}


def pool() -> Pool:
    """The memory of the library in use."""
    return _pools.setdefault(library(), Pool(library()))


class DeviceArray:
    """A C-contiguous array on a GPU; its memory goes back to the pool when the last name for it goes.

    stream: a cudaStream_t as a number, 0 for the default one; all that is done with the array is done on it.
    """

    __slots__ = ("_library", "_pool", "dtype", "pointer", "shape", "stream")

    def __init__(self, shape: Sequence[int], dtype: npt.DTypeLike, stream: int = 0) -> None:
        self.shape, self.dtype, self.stream = tuple(map(int, shape)), np.dtype(dtype), stream
        self._library, self._pool = library(), pool()
        self.pointer = self._pool.take(self.nbytes, stream)

    def __del__(self) -> None:
        if hasattr(self, "pointer"):
            self._pool.give(self.nbytes, self.stream, self.pointer)

    @classmethod
    def of(cls, host: npt.NDArray[Any], stream: int = 0) -> "DeviceArray":
        """A copy of a NumPy array on the GPU."""
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
        """Put a NumPy array of the same shape and dtype here. CUDA has read pageable memory when this returns."""
        if (host.shape, host.dtype) != (self.shape, self.dtype):
            raise ImageError(f"{host.dtype} {host.shape} does not fit into {self.dtype} {self.shape}: make an array for it")
        source = np.ascontiguousarray(host)
        self._library.call("upload", self.pointer, source.ctypes.data, self.nbytes, self.stream)

    def numpy(self) -> npt.NDArray[Any]:
        """A copy in host memory; waits for the stream."""
        host = np.empty(self.shape, self.dtype)
        self._library.call("download", host.ctypes.data, self.pointer, self.nbytes, self.stream)
        self._library.call("synchronise", self.stream)
        return host


def room_on_device(out: Any, shape: Sequence[int], dtype: npt.DTypeLike, beside: object) -> Any:
    """`out`, or a new array in its place on the stream of `beside`."""
    return DeviceArray(shape, dtype, stream_of(beside)) if out is None else out


def apart_on_device(array: Any, result: Any) -> Any:
    """`array`, or a copy of it where it is the memory that `result` is written to: for kernels that read around a pixel."""
    if pointer_to(array) != pointer_to(result):
        return array
    copy = DeviceArray(array.shape, array.dtype, stream_of(array))
    launch("copy", copy, array, copy.nbytes)
    return copy


class Graph:
    """What `work` put on a stream, to be run again in one call.

    stream: not the default one. work: called once, and must neither wait for the stream nor allocate: call it once before,
    so that the pool has what it takes. It is replayed on the same memory: what it reads and gives must stay alive.
    Raises EngineError.
    """

    def __init__(self, stream: int, work: Callable[[], object]) -> None:
        self._runnable, self._kept = 0, list[Block]()
        self._library, self._pool, self._stream = library(), pool(), stream
        self._kept = self._pool.hold(stream)
        try:
            self._library.call("capture_begin", stream)
            try:
                work()
            finally:
                self._runnable = self._library.made("capture_end", stream)
        finally:
            self._pool.release(stream)

    def replay(self) -> None:
        """Put the work on the stream again. Raises EngineError."""
        self._library.call("replay", self._runnable, self._stream)

    def __del__(self) -> None:
        if self._runnable:
            with suppress(EngineError):  # a GPU that is broken takes nothing back, and its user knows
                self._library.call("graph_destroy", self._runnable)
        for block in self._kept:
            self._pool.give(*block)


def launch_filter(name: str, image: Image, out: Image | None, *how: object) -> Any:
    """Launch a filter of a grey image."""
    result = room_on_device(out, image.shape, np.uint8, image)
    launch(name, apart_on_device(image, result), *image.shape, *how, result)
    return result


def launch_diffusion(name: str, image: Image, out: Image | None, *how: object) -> Any:
    """Launch a filter of a grey image that needs two planes of floats to work in."""
    between = DeviceArray((2, *image.shape), np.float32, stream_of(image))
    return launch_filter(name, image, out, *how, between)


Floats = npt.NDArray[np.float32]


def launch_map(name: str, plane: Any, out: Any, *how: object) -> Any:
    """Launch what makes a label map or grey image of a plane's size."""
    result = room_on_device(out, plane.shape, np.uint8, plane)
    launch(name, plane, *plane.shape, *how, result)
    return result


def scratch_beside(array: Any, shape: Sequence[int], dtype: npt.DTypeLike) -> DeviceArray:
    """Memory to work in, on the array's stream."""
    return DeviceArray(shape, dtype, stream_of(array))


def int_planes(plane: Any, count: int) -> list[DeviceArray]:
    """Planes of integers to work in."""
    return [scratch_beside(plane, plane.shape, np.int32) for _ in range(count)]


def size_of(array: Any) -> int:
    return int(np.prod(array.shape))
