"""The emulated GPU as the stand-ins share it: the library of cuda_host, and what a test asks of it."""

import ctypes
import gc
import threading
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

ILLEGAL_ADDRESS, ASSERT, OUT_OF_MEMORY, NO_DEVICE = 700, 710, 2, 100
ALL_LATE = 0xFFFFFFFF


class InUse(NamedTuple):
    bytes: int
    streams: int
    events: int
    graphs: int


class Device:
    """One GPU. present, integrated, name, capability, driver: what it tells of itself."""

    def __init__(self, library: Path) -> None:
        self.native = ctypes.CDLL(str(library))
        self.native.emulated_error_string.restype = ctypes.c_char_p
        self.native.emulated_memory_limit.argtypes = [ctypes.c_size_t]
        self.present, self.integrated, self.fault = True, False, 0
        self.name, self.capability, self.driver = "Emulated GPU", (8, 7), 13000
        self.contexts = 0
        self._run = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(self._host_function)
        self._work: dict[int, Callable[[], None]] = {}  # by the number that the native side hands back
        self._once: set[int] = set()
        self._numbers = count(1)
        self.failures: list[BaseException] = []  # of host functions
        self.thread = threading.local()
        self.streams_late(0)
        self.mend()
        self.limit(None)

    def streams_late(self, which: int) -> None:
        """Bit n: the n-th stream from now on runs only what somebody waits for; the others run all at once."""
        self.native.emulated_late_streams(ctypes.c_uint(which))

    def limit(self, free_bytes: int | None) -> None:
        """Grant so much more memory, or any amount."""
        self.native.emulated_memory_limit(2**62 if free_bytes is None else self.in_use().bytes + free_bytes)

    def break_after(self, steps: int, code: int = ILLEGAL_ADDRESS) -> None:
        """Let all calls fail, for ever, from so many steps of streams on."""
        self.native.emulated_break(ctypes.c_long(steps), code)

    def mend(self) -> None:
        self.native.emulated_mend()

    def is_broken(self) -> bool:
        """Whether something went wrong on it, be it noticed or not."""
        return self.native.emulated_broken() != 0

    def in_use(self) -> InUse:
        """What is not given back."""
        gc.collect()  # the traceback of an expected error may hold what was closed
        return self.held()

    def held(self) -> InUse:
        """What is not given back at this moment."""
        counts = (ctypes.c_size_t * 4)()
        self.native.emulated_in_use(counts)
        return InUse(*counts)

    def is_freed(self, address: int) -> bool:
        """Whether memory of this address was given back."""
        return bool(self.native.emulated_freed(ctypes.c_void_p(address)))

    def enqueue(self, stream: int, work: Callable[[], None]) -> int:
        """Put a Python function on a stream, into its graph where it is captured. Gives CUDA's error code."""
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
        except Exception as error:  # noqa: BLE001  whatever it is, the device breaks with it
            self.failures.append(error)
            return ASSERT
        return 0


_plugged: list[Device] = []


def plug(device: Device) -> None:
    _plugged[:] = [device]


def plugged() -> Device:
    return _plugged[-1]


def made(name: str, *arguments: Any) -> tuple[int, int]:
    """The error code of a function of driver.cpp, and the handle that it writes to its first argument."""
    handle = ctypes.c_void_p()
    code = getattr(plugged().native, f"emulated_{name}")(ctypes.byref(handle), *arguments)
    return int(code), handle.value or 0
