"""A stand-in for pycuda.driver on the emulated GPU: as much of it as rtseg uses, with the real one's names and signatures.

Stricter than the real one in one thing: a call without a context that is current on its thread is an error, always.
"""

import ctypes
from typing import Any

import numpy as np
from emulated.driver.device import NO_DEVICE, OUT_OF_MEMORY, made, plugged
from emulated.driver.device import Device as Emulated


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


class device_attribute:  # noqa: N801
    INTEGRATED = 18


class host_alloc_flags:  # noqa: N801
    PORTABLE, DEVICEMAP, WRITECOMBINED = 1, 2, 4


class event_flags:  # noqa: N801
    DEFAULT, BLOCKING_SYNC, DISABLE_TIMING = 0, 1, 2


def init(flags: int = 0) -> None:
    if not plugged().present:
        _check(NO_DEVICE, "cuInit")


def get_driver_version() -> int:
    return plugged().driver


class Device:
    def __init__(self, number: int = 0) -> None:
        if number:
            raise LogicError("cuDeviceGet failed: invalid device ordinal")

    def name(self) -> str:
        return plugged().name

    def compute_capability(self) -> tuple[int, int]:
        return plugged().capability

    def get_attribute(self, attribute: int) -> int:
        assert attribute == device_attribute.INTEGRATED
        return int(plugged().integrated)

    def retain_primary_context(self) -> "Context":
        plugged().contexts += 1
        return Context()


class Context:
    def push(self) -> None:
        _stack().append(self)

    @staticmethod
    def pop() -> None:
        if not _stack():
            raise LogicError("context::pop failed: invalid device context - cannot pop non-current context")
        _stack().pop()

    def detach(self) -> None:
        plugged().contexts -= 1


class Stream:
    def __init__(self, flags: int = 0) -> None:
        self.handle = _made("stream_create")

    def synchronize(self) -> None:
        _call("stream_synchronise", ctypes.c_void_p(self.handle))

    def wait_for_event(self, evt: "Event") -> None:
        _call("stream_wait", ctypes.c_void_p(self.handle), ctypes.c_void_p(evt._handle))

    def __del__(self) -> None:
        if hasattr(self, "handle"):
            plugged().native.emulated_stream_destroy(ctypes.c_void_p(self.handle))


class Event:
    def __init__(self, flags: int = 0) -> None:
        self._handle = _made("event_create")

    def record(self, stream: Stream | None = None) -> "Event":
        assert stream is not None, "the default stream is nobody's"
        _call("event_record", ctypes.c_void_p(self._handle), ctypes.c_void_p(stream.handle))
        return self

    def synchronize(self) -> "Event":
        _call("event_synchronise", ctypes.c_void_p(self._handle))
        return self

    def __del__(self) -> None:
        if hasattr(self, "_handle"):
            plugged().native.emulated_event_destroy(ctypes.c_void_p(self._handle))


class DeviceAllocation:
    def __init__(self, pointer: int) -> None:
        self._pointer = pointer

    def __int__(self) -> int:
        return self._pointer

    def free(self) -> None:
        _call("free", ctypes.c_void_p(self._pointer))
        self._pointer = 0

    def __del__(self) -> None:
        if self._pointer:
            plugged().native.emulated_free(ctypes.c_void_p(self._pointer))


class HostAllocation:
    def __init__(self, size: int, shape: tuple[int, ...], dtype: Any, flags: int) -> None:
        self._pointer, self._mapped = _made("host_allocate", ctypes.c_size_t(size)), bool(flags & host_alloc_flags.DEVICEMAP)
        described = {"shape": shape, "typestr": np.dtype(dtype).str, "data": (self._pointer, False)}
        self.__array_interface__ = {**described, "version": 3}

    def get_device_pointer(self) -> int:
        if not self._mapped:
            raise LogicError("cuMemHostGetDevicePointer failed: invalid argument")
        return self._pointer

    def free(self) -> None:
        _call("host_free", ctypes.c_void_p(self._pointer))
        self._pointer = 0

    def __del__(self) -> None:
        if getattr(self, "_pointer", 0):
            plugged().native.emulated_host_free(ctypes.c_void_p(self._pointer))


def mem_alloc(size: int) -> DeviceAllocation:
    return DeviceAllocation(_made("allocate", ctypes.c_size_t(size)))


def pagelocked_empty(shape: tuple[int, ...], dtype: Any, order: str = "C", mem_flags: int = 0) -> "np.ndarray[Any, Any]":
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


def _stack() -> list[Context]:
    here = plugged().thread.__dict__
    return here.setdefault("contexts", [])


def _device() -> Emulated:
    if not _stack():
        raise LogicError("no context is current on this thread: push one")
    return plugged()


def _made(name: str, *arguments: object) -> int:
    _device()
    code, handle = made(name, *arguments)
    _check(code, name)
    return handle


def _call(name: str, *arguments: object) -> None:
    _check(int(getattr(_device().native, f"emulated_{name}")(*arguments)), name)


def _check(code: int, name: str) -> None:
    kinds = {OUT_OF_MEMORY: MemoryError, NO_DEVICE: RuntimeError}
    if code:
        words = plugged().native.emulated_error_string(code).decode()
        raise kinds.get(code, LogicError)(f"{name} failed: {words} ({code}, emulated)")
