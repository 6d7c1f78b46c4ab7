"""Calls librtseg_kernels.so, which CMakeLists.txt builds from kernels/*/*.cu, through its C ABI.

A device array is any C-contiguous object with `__cuda_array_interface__`. A kernel runs on the stream of its first device
array; only `DeviceArray.numpy()` synchronizes.
"""

import ctypes
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from rtseg.errors import EngineError, ImageError

LIBRARY_PATH = Path(__file__).parents[1] / "librtseg_kernels.so"

_PTR, _INT, _FLOAT, _SIZE = ctypes.c_void_p, ctypes.c_int, ctypes.c_float, ctypes.c_size_t


class _GPU(ctypes.c_void_p):
    """Marks an argument that is a device array."""


class _HOST(ctypes.c_void_p):
    """Marks an argument that is an array in host memory, read before the call returns."""


# The argument types of each C function. Their names start with rtseg_; a launch takes its stream as the last argument.
LAUNCHES: dict[str, tuple[type, ...]] = {
    "upload": (_PTR, _PTR, _SIZE),
    "download": (_PTR, _PTR, _SIZE),
    "copy": (_GPU, _GPU, _SIZE),
    "synchronise": (),
    "capture_begin": (),
    "replay": (_PTR,),
    "fit_input": (_GPU, _INT, _INT, _HOST, _HOST, _INT, _INT, _HOST, _HOST, _INT, _GPU),
    "picture_statistics": (_GPU, _INT, _INT, _INT, _HOST, _INT, _HOST, _GPU),
    "rescale": (_GPU, _INT, _INT, _INT, _INT, _GPU, _HOST, _HOST),
    "grey_view": (_GPU, _INT, _INT, _HOST, _INT, _INT, _GPU),
    "argmax_labels": (_GPU, _INT, _HOST, _HOST, _HOST, _HOST, _HOST, _FLOAT, _INT, _INT, _GPU),
    "probability": (_GPU, _INT, _INT, _GPU),
    "class_confidence": (_GPU, _INT, _INT, _INT, _HOST, _FLOAT, _GPU, _GPU),
    "has_nonfinite": (_GPU, _SIZE, _INT, _GPU),
    "smooth": (_GPU, _GPU, _FLOAT, _SIZE, _GPU),
    "smoothed": (_GPU, _GPU, _GPU, _INT, _INT, _GPU),
    "steadied": (_GPU, _GPU, _GPU, _GPU, _INT, _INT, _GPU),
    "carried": (_GPU, _GPU, _INT, _INT, _INT, _GPU),
    "inner_contour": (_GPU, _INT, _INT, _INT, _GPU),
    "blend": (_GPU, _INT, _GPU, _INT, _INT, _HOST, _INT, _INT, _INT, _GPU),
    "median": (_GPU, _INT, _INT, _INT, _GPU),
    "pull": (_GPU, _INT, _INT, _INT, _FLOAT, _FLOAT, _GPU),
    "frost": (_GPU, _INT, _INT, _INT, _FLOAT, _GPU),
    "bilateral": (_GPU, _INT, _INT, _INT, _FLOAT, _FLOAT, _GPU),
    "srad": (_GPU, _INT, _INT, _FLOAT, _HOST, _INT, _FLOAT, _GPU, _GPU),
    "perona_malik": (_GPU, _INT, _INT, _FLOAT, _INT, _FLOAT, _GPU, _GPU),
    "phase_symmetry": (_GPU, _INT, _INT, _HOST, _INT, _HOST, _INT, _HOST, _FLOAT, _GPU),
    "non_local_means": (_GPU, _INT, _INT, _FLOAT, _INT, _GPU),
    "persistence": (_GPU, _GPU, _INT, _SIZE, _GPU),
    "clahe": (_GPU, _INT, _INT, _FLOAT, _INT, _INT, _GPU, _GPU),
    "log_compress": (_GPU, _FLOAT, _FLOAT, _SIZE, _GPU),
    "sample": (_GPU, _INT, _INT, _GPU, _SIZE, _GPU),
    "opening": (_GPU, _INT, _INT, _INT, _GPU, _GPU),
    "closing": (_GPU, _INT, _INT, _INT, _GPU, _GPU),
    "keep_largest": (_GPU, _INT, _INT, _HOST, _GPU, _GPU, _GPU, _GPU),
    "drop_small": (_GPU, _INT, _INT, _INT, _GPU, _GPU, _GPU),
    "fill_holes": (_GPU, _INT, _INT, _GPU, _GPU, _GPU, _GPU),
    "hysteresis": (_GPU, _INT, _INT, _FLOAT, _FLOAT, _GPU, _GPU, _GPU),
}
CALLS: dict[str, tuple[type, ...]] = {
    "device_count": (_PTR,),
    "cuda_version": (_PTR,),
    "allocate": (_PTR, _SIZE),
    "free": (_PTR,),
    "stream_create": (_PTR,),
    "stream_destroy": (_PTR,),
    "capture_end": (_PTR, _PTR),  # where the graph is written, the stream
    "graph_destroy": (_PTR,),
}
SCRATCH_SIZES: dict[str, tuple[type, ...]] = {  # functions that return a launch's scratch memory in bytes
    "class_confidence_scratch": (),
}

REOPEN = "close this engine and open it again"
REMEDIES = {  # by CUDA's error code
    2: "free memory of the GPU, or use a smaller model",
    35: "install a newer NVIDIA driver, or run on the CPU",
    100: "plug in a GPU, or run on the CPU",
    209: "build the kernels for this GPU as kernels/README.md says",
}


class KernelLibrary:
    """Loads the functions of the table from `path`. Raises EngineError where one is missing."""

    def __init__(self, path: Path) -> None:
        try:
            self._native = ctypes.CDLL(str(path))
            self._functions = {name: self._bind(name) for name in LAUNCHES | CALLS | SCRATCH_SIZES}
            self._native.rtseg_error_string.restype = ctypes.c_char_p
        except (OSError, AttributeError) as error:
            raise EngineError(f"the CUDA kernels cannot be loaded ({error}): build them as kernels/README.md says") from None

    def call(self, name: str, *arguments: object) -> None:
        """Call a function of the table. Raises EngineError with CUDA's error message."""
        code = self._functions[name](*arguments)
        if code:
            why = self._native.rtseg_error_string(code).decode()
            raise EngineError(f"CUDA: {name} failed, {why} (code {code}): {REMEDIES.get(code, REOPEN)}")

    def create(self, name: str, *arguments: object) -> int:
        """Return the handle or pointer that a function of the table writes to its first argument. Raises EngineError."""
        handle = ctypes.c_void_p()
        self.call(name, ctypes.byref(handle), *arguments)
        return handle.value or 0

    def size(self, name: str, *arguments: object) -> int:
        """Return a launch's scratch memory in bytes."""
        return int(self._functions[name](*arguments))

    def _bind(self, name: str) -> Callable[..., int]:
        function = getattr(self._native, f"rtseg_{name}")
        function.argtypes = (*LAUNCHES[name], _PTR) if name in LAUNCHES else (CALLS | SCRATCH_SIZES)[name]
        function.restype = _SIZE if name in SCRATCH_SIZES else _INT
        bound: Callable[..., int] = function
        return bound


_load = cache(KernelLibrary)  # by path: a loaded library stays in the process anyway


def library() -> KernelLibrary:
    """Return the library at LIBRARY_PATH, loaded at its first use. Raises EngineError."""
    return _load(LIBRARY_PATH)


def cuda_version() -> int:
    """Return the CUDA version that the kernels were built with, as 12040 for 12.4. Raises EngineError."""
    version = ctypes.c_int()
    library().call("cuda_version", ctypes.byref(version))
    return version.value


def problem() -> str:
    """Return the reason why CUDA kernels cannot run on this machine, or ""."""
    count = ctypes.c_int()
    try:
        library().call("device_count", ctypes.byref(count))
    except EngineError as error:
        return str(error)
    return "" if count.value else f"CUDA finds no GPU: {REMEDIES[100]}"


def launch(name: str, *arguments: object) -> None:
    """Put a kernel on the stream of its first device array.

    arguments: as in the table, with device arrays for device pointers and NumPy or ctypes arrays for host pointers.
    Raises EngineError, ImageError.
    """
    natives = [_to_native(kind, argument) for kind, argument in zip(LAUNCHES[name], arguments, strict=True)]
    library().call(name, *natives, stream_of(*arguments))


def stream_of(*arguments: object) -> int:
    """Return the stream of the first device array among the arguments; 0, the default stream, where it names none."""
    first: Any = next(argument for argument in arguments if hasattr(argument, "__cuda_array_interface__"))
    stream = first.__cuda_array_interface__.get("stream") or 0
    return 0 if stream == 1 else int(stream)  # 1 also means the default stream


def c_ints(values: Sequence[int]) -> "ctypes.Array[ctypes.c_int]":
    """Convert to a C array of ints in host memory, as launches take it."""
    return (ctypes.c_int * len(values))(*values)


def c_floats(values: Sequence[float]) -> "ctypes.Array[ctypes.c_float]":
    """Convert to a C array of floats in host memory, as launches take it."""
    return (ctypes.c_float * len(values))(*values)


def data_pointer(array: Any) -> int:
    """Return the address of a device array. Raises ImageError unless it is C-contiguous."""
    interface = array.__cuda_array_interface__
    if not _is_contiguous(interface):
        raise ImageError("CUDA kernels take C-contiguous arrays: make a contiguous copy first")
    return int(interface["data"][0])


def _to_native(kind: type, argument: object) -> object:
    """Convert an argument for ctypes. Raises ImageError where a GPU array is given for a host array or the reverse."""
    on_device = hasattr(argument, "__cuda_array_interface__")
    if on_device != (kind is _GPU):
        side = "on the host: give a NumPy array" if on_device else "on the GPU: put it there with DeviceArray.of"
        raise ImageError(f"a CUDA kernel was given a {type(argument).__name__} where it takes what lives {side}")
    if on_device:
        return data_pointer(argument)
    return argument.ctypes.data if isinstance(argument, np.ndarray) else argument


def _is_contiguous(interface: dict[str, Any]) -> bool:
    if interface.get("strides") is None:
        return True
    step = np.dtype(interface["typestr"]).itemsize
    for side, stride in zip(reversed(interface["shape"]), reversed(interface["strides"]), strict=True):
        if side > 1 and stride != step:
            return False
        step *= side
    return True
