"""Controls the emulated GPU: the library of cuda_host, shared by the stand-ins, and its state for tests."""

import ctypes
import gc
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakSet

ILLEGAL_ADDRESS, ASSERT, OUT_OF_MEMORY, NO_DEVICE = 700, 710, 2, 100
UP, DOWN = 1, 2  # kinds of a copy
ALL_LATE = 0xFFFFFFFF


DESCRIPTION_FIELDS = ("major", "minor", "driver", "integrated", "present", "contexts", "sm_count", "memory_gib")


class GpuDescription(ctypes.Structure):
    """Mirrors emulated_Description of device.h."""

    _fields_ = (
        ("name", ctypes.c_char * 64),
        *((part, ctypes.c_int) for part in DESCRIPTION_FIELDS),
    )


class ResourceCounts(NamedTuple):
    """Holds the resources that are allocated on the GPU."""

    bytes: int  # of device and pinned memory
    streams: int
    events: int
    graphs: int


AMPERE = GpuDescription(b"Emulated GPU", 8, 7, 13000, 0, 1, 0, 16, 30)


class RecordedCopy(NamedTuple):
    """Records a copy between the host and the GPU."""

    kind: int  # UP or DOWN
    bytes: int


def _description_field(field: str) -> property:
    """Return a property for a field of the GPU's description, which a test may set."""
    return property(lambda self: getattr(self.description, field), lambda self, value: setattr(self.description, field, value))


class EmulatedGpu:
    """Controls one emulated GPU.

    major, minor: its compute capability. driver: the CUDA version of its driver. contexts: how many are retained.
    """

    major, minor, driver, integrated, present, contexts, sm_count, memory_gib = map(_description_field, DESCRIPTION_FIELDS)

    def __init__(self, library: Path) -> None:
        self.native = ctypes.CDLL(str(library))
        self.native.emulated_error_string.restype = ctypes.c_char_p
        self.native.emulated_bytes_in_use.restype = self.native.emulated_bytes_of_test.restype = ctypes.c_size_t
        self.native.emulated_memory_limit.argtypes = [ctypes.c_size_t]
        self.description = GpuDescription.in_dll(self.native, "emulated_description")
        ctypes.memmove(ctypes.byref(self.description), ctypes.byref(AMPERE), ctypes.sizeof(AMPERE))
        self._run = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(self._host_function)
        self._work: dict[int, Callable[[], None]] = {}  # by the number that the native side passes back
        self._once: set[int] = set()
        self._numbers = count(1)
        self.failures: list[BaseException] = []  # raised by host functions, and faults in the order of releases
        self.dependents = WeakSet[Any]()  # TensorRT's objects, which must not outlive the context
        gc.collect()  # what another test has left would otherwise be freed, and counted, in this one
        self.native.emulated_begin_test()
        self._before = self._counted()  # a GPU that broke in another test may still hold resources
        self.defer_streams(0)
        self.reset_fault()
        self.limit_memory(None)

    @property
    def name(self) -> str:
        return str(self.description.name.decode())

    @name.setter
    def name(self, name: str) -> None:
        self.description.name = name.encode()

    def defer_streams(self, which: int) -> None:
        """Defer the work of streams until it is synchronized; bit n of `which` stands for the n-th stream from now on.

        The other streams run their work at once.
        """
        self.native.emulated_late_streams(ctypes.c_uint(which))

    def limit_memory(self, free_bytes: int | None) -> None:
        """Limit the memory that can still be allocated to `free_bytes`; None: no limit."""
        in_use = int(self.native.emulated_bytes_in_use())
        self.native.emulated_memory_limit(2**62 if free_bytes is None else in_use + free_bytes)

    def break_after(self, steps: int, code: int = ILLEGAL_ADDRESS) -> None:
        """Make all calls fail with `code`, permanently, after this many steps of streams."""
        self.native.emulated_break(ctypes.c_long(steps), code)

    def reset_fault(self) -> None:
        self.native.emulated_mend()

    def is_broken(self) -> bool:
        """Return True if an error has occurred on the GPU, even if no call has returned it."""
        return self.native.emulated_broken() != 0

    def in_use(self) -> ResourceCounts:
        """Return the resources that are not freed after a garbage collection."""
        gc.collect()  # the traceback of an expected error may hold what was closed
        return self.resources_held()

    def resources_held(self) -> ResourceCounts:
        """Return the resources that are not freed at this moment."""
        return ResourceCounts(*(now - before for now, before in zip(self._counted(), self._before, strict=True)))

    def _counted(self) -> ResourceCounts:
        native = self.native
        counts = (native.emulated_streams_open(), native.emulated_events_open(), native.emulated_graphs_open())
        return ResourceCounts(native.emulated_bytes_of_test(), *counts)

    def copies(self) -> list[RecordedCopy]:
        """Return the copies between host and GPU since the last call, including those captured into graphs."""
        found, size = list[RecordedCopy](), ctypes.c_size_t()
        while kind := self.native.emulated_next_copy(ctypes.byref(size)):
            if kind in (UP, DOWN):
                found.append(RecordedCopy(kind, size.value))
        return found

    def current_contexts(self) -> int:
        """Return how many contexts this thread has on its stack, released ones too."""
        return int(self.native.emulated_contexts_current())

    def is_freed(self, address: int) -> bool:
        """Return True if the memory at this address was freed."""
        return bool(self.native.emulated_freed(ctypes.c_void_p(address)))

    def enqueue(self, stream: int, work: Callable[[], None]) -> int:
        """Put a Python function on a stream, or into the graph that it captures. Returns CUDA's error code."""
        number = next(self._numbers)
        self._work[number] = work
        if not self.native.emulated_capturing(ctypes.c_void_p(stream)):
            self._once.add(number)
        return int(self.native.emulated_host_function(ctypes.c_void_p(stream), self._run, ctypes.c_void_p(number)))

    def _host_function(self, number: int) -> int:
        work = self._work.pop(number) if number in self._once else self._work[number]
        self._once.discard(number)
        try:
            work()
        except Exception as error:  # noqa: BLE001  any exception breaks the device
            self.failures.append(error)
            return ASSERT
        return 0


_current: list[EmulatedGpu] = []


def set_current_gpu(device: EmulatedGpu) -> None:
    _current[:] = [device]


def current_gpu() -> EmulatedGpu:
    return _current[-1]


def create_handle(name: str, *arguments: Any) -> tuple[int, int]:
    """Call a function of driver.cpp; return its error code and the handle that it writes to its first argument."""
    handle = ctypes.c_void_p()
    code = getattr(current_gpu().native, f"emulated_{name}")(ctypes.byref(handle), *arguments)
    return int(code), handle.value or 0
