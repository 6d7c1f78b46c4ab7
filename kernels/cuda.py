"""The native boundary: the C ABI of librtseg_kernels.so, which CMakeLists.txt builds from *.cu.

A device array is whatever offers `__cuda_array_interface__`, C-contiguous. A kernel runs on the stream of its first device
array, and nothing waits for it but `DeviceArray.numpy()`.
"""

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rtseg.errors import EngineError, ImageError

BUILT = Path(__file__).with_name("librtseg_kernels.so")

_AT, _INT, _FLOAT, _SIZE = ctypes.c_void_p, ctypes.c_int, ctypes.c_float, ctypes.c_size_t

# The one table: what each function takes. rtseg_ stands before each name; a launch takes its stream last.
LAUNCHES: dict[str, tuple[type, ...]] = {
    "upload": (_AT, _AT, _SIZE),
    "download": (_AT, _AT, _SIZE),
    "copy": (_AT, _AT, _SIZE),
    "synchronise": (),
    "capture_begin": (),
    "replay": (_AT,),
    "fit_input": (_AT, _INT, _INT, _AT, _AT, _INT, _INT, _AT, _AT, _INT, _AT),
    "argmax_labels": (_AT, _INT, _AT, _AT, _AT, _AT, _AT, _FLOAT, _INT, _INT, _AT),
    "probability": (_AT, _INT, _INT, _AT),
    "class_confidence": (_AT, _INT, _INT, _INT, _AT, _FLOAT, _AT, _AT),
    "has_nonfinite": (_AT, _SIZE, _INT, _AT),
    "smooth": (_AT, _AT, _FLOAT, _SIZE, _AT),
    "inner_contour": (_AT, _INT, _INT, _INT, _AT),
    "blend": (_AT, _INT, _AT, _INT, _INT, _AT, _INT, _INT, _INT, _AT),
    "median": (_AT, _INT, _INT, _INT, _AT),
    "pull": (_AT, _INT, _INT, _INT, _FLOAT, _FLOAT, _AT),
    "frost": (_AT, _INT, _INT, _INT, _FLOAT, _AT),
    "bilateral": (_AT, _INT, _INT, _INT, _FLOAT, _FLOAT, _AT),
    "srad": (_AT, _INT, _INT, _FLOAT, _AT, _INT, _FLOAT, _AT, _AT),
    "perona_malik": (_AT, _INT, _INT, _FLOAT, _INT, _FLOAT, _AT, _AT),
    "persistence": (_AT, _AT, _INT, _SIZE, _AT),
    "clahe": (_AT, _INT, _INT, _FLOAT, _INT, _INT, _AT, _AT),
    "log_compress": (_AT, _FLOAT, _FLOAT, _SIZE, _AT),
    "sample": (_AT, _INT, _INT, _AT, _SIZE, _AT),
    "opening": (_AT, _INT, _INT, _INT, _AT, _AT),
    "closing": (_AT, _INT, _INT, _INT, _AT, _AT),
    "keep_largest": (_AT, _INT, _INT, _AT, _AT, _AT, _AT, _AT),
    "drop_small": (_AT, _INT, _INT, _INT, _AT, _AT, _AT),
    "fill_holes": (_AT, _INT, _INT, _AT, _AT, _AT, _AT),
    "hysteresis": (_AT, _INT, _INT, _FLOAT, _FLOAT, _AT, _AT, _AT),
}
CALLS: dict[str, tuple[type, ...]] = {
    "device_count": (_AT,),
    "allocate": (_AT, _SIZE),
    "free": (_AT,),
    "stream_create": (_AT,),
    "stream_destroy": (_AT,),
    "capture_end": (_AT, _AT),  # where the graph goes, the stream
    "graph_destroy": (_AT,),
}
SIZES: dict[str, tuple[type, ...]] = {  # bytes of device memory that a launch needs to work in
    "class_confidence_scratch": (),
}


class Library:
    """The functions of the table, loaded from `path`. Raises EngineError where one is missing."""

    def __init__(self, path: Path) -> None:
        launches = {name: (*types, _AT) for name, types in LAUNCHES.items()}
        try:
            self._native = ctypes.CDLL(str(path))
            for name, types in (CALLS | SIZES | launches).items():
                getattr(self._native, f"rtseg_{name}").argtypes = types
            for name in SIZES:
                getattr(self._native, f"rtseg_{name}").restype = _SIZE
            self._native.rtseg_error_string.restype = ctypes.c_char_p
        except (OSError, AttributeError) as error:
            raise EngineError(f"the CUDA kernels cannot be loaded ({error}): build them as kernels/README.md says") from None

    def call(self, name: str, *arguments: object) -> None:
        """Call a function of the table. Raises EngineError with CUDA's own words."""
        code = getattr(self._native, f"rtseg_{name}")(*arguments)
        if code:
            why = self._native.rtseg_error_string(code).decode()
            raise EngineError(f"CUDA: {name} failed, {why} (code {code}): close this engine and open it again")

    def made(self, name: str, *arguments: object) -> int:
        """The handle or pointer that a function of the table writes into its first argument. Raises EngineError."""
        handle = ctypes.c_void_p()
        self.call(name, ctypes.byref(handle), *arguments)
        return handle.value or 0

    def size(self, name: str, *arguments: object) -> int:
        """The bytes that a launch needs to work in."""
        return int(getattr(self._native, f"rtseg_{name}")(*arguments))


_libraries: dict[Path, Library] = {}
_chosen = [BUILT]


def library() -> Library:
    """The library in use, loaded at its first use. Raises EngineError."""
    path = _chosen[-1]
    if path not in _libraries:
        _libraries[path] = Library(path)
    return _libraries[path]


def choose(path: Path) -> None:
    """Use the library at `path` from now on; arrays made before stay with theirs."""
    _chosen[:] = [path]


def launch(name: str, *arguments: object) -> None:
    """Put a kernel on the stream of its first device array.

    arguments: of the table; device arrays stand for device pointers, NumPy arrays and ctypes for host ones.
    Raises EngineError, ImageError.
    """
    library().call(name, *map(_as_native, arguments), stream_of(*arguments))


def stream_of(*arguments: object) -> int:
    """The stream of the first device array among the arguments; 0, the default one, where it names none."""
    first: Any = next(argument for argument in arguments if hasattr(argument, "__cuda_array_interface__"))
    stream = first.__cuda_array_interface__.get("stream") or 0
    return 0 if stream == 1 else int(stream)  # 1 names the default one too


def ints(values: Sequence[int]) -> "ctypes.Array[ctypes.c_int]":
    """Integers in host memory, as a launch reads them."""
    return (ctypes.c_int * len(values))(*values)


def floats(values: Sequence[float]) -> "ctypes.Array[ctypes.c_float]":
    """Floats in host memory, as a launch reads them."""
    return (ctypes.c_float * len(values))(*values)


def pointer_to(array: Any) -> int:
    """Where a device array begins. Raises ImageError unless it is C-contiguous."""
    interface = array.__cuda_array_interface__
    if not _is_contiguous(interface):
        raise ImageError("CUDA kernels take C-contiguous arrays: make a contiguous copy first")
    return int(interface["data"][0])


def _as_native(argument: object) -> object:
    if isinstance(argument, np.ndarray):
        return argument.ctypes.data
    return pointer_to(argument) if hasattr(argument, "__cuda_array_interface__") else argument


def _is_contiguous(interface: dict[str, Any]) -> bool:
    if interface.get("strides") is None:
        return True
    step = np.dtype(interface["typestr"]).itemsize
    for side, stride in zip(reversed(interface["shape"]), reversed(interface["strides"]), strict=True):
        if side > 1 and stride != step:
            return False
        step *= side
    return True
