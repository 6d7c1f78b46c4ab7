"""Stands in for pycuda.driver on the emulated GPU: the part that rtseg uses, with the real names and signatures.

`make conformity` runs the same tests on the real pycuda, on top of our libcuda. As there, an object is freed where its context
is current, or can be made current: on the thread that created it.
"""

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from emulated.driver.device import NO_DEVICE, OUT_OF_MEMORY, create_handle, current_gpu


class Error(Exception):
    pass


class MemoryError(Error):  # noqa: A001
    pass


class LogicError(Error):
    pass


class RuntimeError(Error):  # noqa: A001
    pass


class LaunchError(Error):
    pass


NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING


class device_attribute:  # noqa: N801
    MULTIPROCESSOR_COUNT, INTEGRATED = 16, 18


class host_alloc_flags:  # noqa: N801
    PORTABLE, DEVICEMAP, WRITECOMBINED = 1, 2, 4


class event_flags:  # noqa: N801
    DEFAULT, BLOCKING_SYNC, DISABLE_TIMING = 0, 1, 2


def init(flags: int = 0) -> None:
    _call("initialise")


def get_version() -> tuple[int, int, int]:
    return 13, 0, 0


def get_driver_version() -> int:
    return current_gpu().driver


class Device:
    def __init__(self, number: int = 0) -> None:
        if number:
            raise LogicError("cuDeviceGet failed: invalid device ordinal")

    def name(self) -> str:
        return current_gpu().name

    def compute_capability(self) -> tuple[int, int]:
        return current_gpu().major, current_gpu().minor

    def get_attribute(self, attribute: int) -> int:
        values = {
            device_attribute.INTEGRATED: current_gpu().integrated,
            device_attribute.MULTIPROCESSOR_COUNT: current_gpu().sm_count,
        }
        return values[attribute]

    def total_memory(self) -> int:
        return current_gpu().memory_gib << 30

    def retain_primary_context(self) -> "Context":
        _call("context_retain")
        return Context()


class Context:
    def __init__(self) -> None:
        self._thread, self._valid = threading.get_ident(), True

    def push(self) -> None:
        _call("context_push")
        _stack().append(self)

    @staticmethod
    def pop() -> None:
        if not _stack():
            raise LogicError("context::pop failed: invalid device context - cannot pop non-current context")
        _call("context_pop")
        _stack().pop()

    def detach(self) -> None:
        if not self._valid:
            raise LogicError("context::detach failed: invalid device context - cannot detach from invalid context")
        if current_gpu().contexts == 1 and (left := {type(one).__name__ for one in current_gpu().dependents}):
            current_gpu().failures.append(AssertionError(f"released under {', '.join(sorted(left))}"))
        if self in _stack() or self._thread == threading.get_ident():  # else it leaks: the real one raises nothing either
            _call("context_release")
        self._valid = False
        while self in _stack():
            _stack().remove(self)  # but the driver still has it on this thread's stack

    @contextmanager
    def _activated(self) -> Iterator[bool]:
        """Make the context current for the body, as the real one does to free an object; yield True if that was possible."""
        here = self in _stack()
        possible = self._valid and (here or self._thread == threading.get_ident())
        if possible and not here:
            self.push()
        yield possible
        if possible and not here:
            self.pop()


class _Dependent:
    """Belongs to the context that is current when it is made."""

    def __init__(self) -> None:
        if not _stack():
            raise LogicError("explicit_context_dependent failed: invalid device context - no currently active context?")
        self._context: Context | None = _stack()[-1]

    def _clean_up(self, name: str, handle: int) -> None:
        if context := getattr(self, "_context", None):
            with context._activated() as possible:
                if possible:  # the real one prints a failure here and raises nothing
                    getattr(current_gpu().native, f"emulated_{name}")(ctypes.c_void_p(handle))
        self._context = None


class Stream(_Dependent):
    def __init__(self, flags: int = 0) -> None:
        super().__init__()
        assert flags == NON_BLOCKING, "a blocking stream waits for the default stream"
        self.handle = _made("stream_create")

    def synchronize(self) -> None:
        _call("stream_synchronise", ctypes.c_void_p(self.handle))

    def wait_for_event(self, evt: "Event") -> None:
        _call("stream_wait", ctypes.c_void_p(self.handle), ctypes.c_void_p(evt._handle))

    def __del__(self) -> None:
        if hasattr(self, "handle"):
            self._clean_up("stream_destroy", self.handle)


class Event(_Dependent):
    def __init__(self, flags: int = 0) -> None:
        super().__init__()
        self._handle = _made("event_create", flags)

    def record(self, stream: Stream | None = None) -> "Event":
        assert stream is not None, "the default stream is nobody's"
        _call("event_record", ctypes.c_void_p(self._handle), ctypes.c_void_p(stream.handle))
        return self

    def synchronize(self) -> "Event":
        _call("event_synchronise", ctypes.c_void_p(self._handle))
        return self

    def time_till(self, event: "Event") -> float:
        milliseconds = ctypes.c_float()
        _call("event_elapsed", ctypes.byref(milliseconds), ctypes.c_void_p(self._handle), ctypes.c_void_p(event._handle))
        return milliseconds.value

    def __del__(self) -> None:
        if hasattr(self, "_handle"):
            self._clean_up("event_destroy", self._handle)


class DeviceAllocation(_Dependent):
    def __init__(self, pointer: int) -> None:
        super().__init__()
        self._pointer = pointer

    def __int__(self) -> int:
        return self._pointer

    def free(self) -> None:
        if self._context is None:
            raise LogicError("device_allocation::free failed: invalid resource handle")
        self._clean_up("free", self._pointer)

    def __del__(self) -> None:
        self._clean_up("free", self._pointer)


class HostAllocation(_Dependent):
    def __init__(self, size: int, shape: tuple[int, ...], dtype: Any, flags: int) -> None:
        super().__init__()
        self._pointer, self._mapped = _made("host_allocate", ctypes.c_size_t(size)), bool(flags & host_alloc_flags.DEVICEMAP)
        described = {"shape": shape, "typestr": np.dtype(dtype).str, "data": (self._pointer, False)}
        self.__array_interface__ = {**described, "version": 3}

    def get_device_pointer(self) -> int:
        if not self._mapped:
            raise LogicError("cuMemHostGetDevicePointer failed: invalid argument")
        return self._pointer

    def free(self) -> None:
        if self._context is None:
            raise LogicError("pagelocked_host_allocation::free failed: invalid resource handle")
        self._clean_up("host_free", self._pointer)

    def __del__(self) -> None:
        if hasattr(self, "_pointer"):
            self._clean_up("host_free", self._pointer)


def mem_alloc(size: int) -> DeviceAllocation:
    return DeviceAllocation(_made("allocate", ctypes.c_size_t(size)))


def pagelocked_empty(shape: tuple[int, ...], dtype: Any, order: str = "C", mem_flags: int = 0) -> "np.ndarray[Any, Any]":
    assert not mem_flags & host_alloc_flags.WRITECOMBINED, "the CPU would read write-combined memory, which is not cached"
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.asarray(HostAllocation(size, tuple(shape), dtype, mem_flags))


def memset_d8_async(dest: int, data: int, size: int, stream: Stream) -> None:
    _call("memset", ctypes.c_void_p(int(dest)), data, ctypes.c_size_t(size), ctypes.c_void_p(stream.handle))


def memcpy_htod_async(dest: int, src: "np.ndarray[Any, Any]", stream: Stream) -> None:
    _copy(int(dest), src.ctypes.data, src.nbytes, 1, stream)


def memcpy_dtoh_async(dest: "np.ndarray[Any, Any]", src: int, stream: Stream) -> None:
    assert dest.flags.writeable
    _copy(dest.ctypes.data, int(src), dest.nbytes, 2, stream)


def _copy(to: int, source: int, size: int, kind: int, stream: Stream) -> None:
    _call("copy", ctypes.c_void_p(to), ctypes.c_void_p(source), ctypes.c_size_t(size), kind, ctypes.c_void_p(stream.handle))


_thread = threading.local()


def _stack() -> list[Context]:
    return _thread.__dict__.setdefault("contexts", [])


def _made(name: str, *arguments: object) -> int:
    code, handle = create_handle(name, *arguments)
    _check(code, name)
    return handle


def _call(name: str, *arguments: object) -> None:
    _check(int(getattr(current_gpu().native, f"emulated_{name}")(*arguments)), name)


def _check(code: int, name: str) -> None:
    kinds = {OUT_OF_MEMORY: MemoryError, NO_DEVICE: RuntimeError}
    if code:
        words = current_gpu().native.emulated_error_string(code).decode()
        raise kinds.get(code, LogicError)(f"{name} failed: {words} ({code}, emulated)")
