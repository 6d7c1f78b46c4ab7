"""Provides the kernels compiled for the host, in a folder that is cached between runs."""

import ctypes
import os
import shutil
import sys
import time
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from emulated import compiler
from emulated.driver import device as devices

from rtseg.kernels.runtime import cuda

REAL = os.environ.get("RTSEG_PYCUDA", "")  # the build folder of the real pycuda; without it the stand-in is used
WITHOUT_GPU = {f"rtseg.engines.tensorrt.{name}" for name in ("guard", "plan_cache", "lazy_array", "fp16")}  # imported once
CACHE_AGE_S = 24 * 3600  # older libraries are deleted, so that those of old kernels do not accumulate


@pytest.fixture(scope="session")
def compiled_folder(pytestconfig: pytest.Config) -> Path:
    if compiler.GXX is None:
        pytest.skip("there is no g++: CUDA kernels cannot be emulated here")
    assert pytestconfig.cache is not None
    folder = pytestconfig.cache.mkdir("emulated")
    for old in (path for path in folder.iterdir() if path.stat().st_mtime < time.time() - CACHE_AGE_S):
        shutil.rmtree(old, ignore_errors=True) if old.is_dir() else old.unlink(missing_ok=True)  # another worker may be first
    return folder


@pytest.fixture(scope="session")
def kernels_library(compiled_folder: Path) -> Path:
    """Compile all of kernels/*/*.cu with the emulator."""
    return compiler.shared_library(compiled_folder, compiler.sources(), *compiler.PLAIN)


@pytest.fixture(scope="session")
def sanitized_library(compiled_folder: Path) -> Path:
    """Compile all of kernels/*/*.cu with the emulator and the address and undefined-behavior sanitizers."""
    return compiler.shared_library(compiled_folder, compiler.sources(), *compiler.SANITIZED)


@pytest.fixture
def emulated(kernels_library: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use the emulator for device arrays during the test."""
    monkeypatch.setattr(cuda, "LIBRARY_PATH", kernels_library)
    return kernels_library


@pytest.fixture
def gpu(emulated: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[devices.EmulatedGpu]:
    """Yield the emulated GPU behind the stand-ins of pycuda and TensorRT; rtseg's modules import those again."""
    from emulated.driver import tensorrt_runtime

    pycuda = _real_pycuda(emulated, Path(REAL)) if REAL else _stand_in()
    for name, module in {"pycuda": pycuda, "pycuda.driver": pycuda.driver, "tensorrt": tensorrt_runtime}.items():
        monkeypatch.setitem(sys.modules, name, module)
    tensorrt_runtime._loggers.clear()
    devices.set_current_gpu(devices.EmulatedGpu(emulated))
    _forget_gpu_modules()
    yield devices.current_gpu()
    devices.current_gpu().reset_fault()
    _forget_gpu_modules()


def _stand_in() -> ModuleType:
    from emulated.driver import pycuda_driver

    pycuda = ModuleType("pycuda")
    pycuda.driver = pycuda_driver  # type: ignore[attr-defined]
    return pycuda


@cache
def _real_pycuda(library: Path, built: Path) -> ModuleType:
    """Import the real pycuda on top of our libcuda, which is loaded first."""
    (extension,) = built.glob("pycuda/_driver*.so")
    ctypes.CDLL(str(compiler.driver_library(library.parent, library, [extension])))
    sys.path.append(str(built))
    return import_module("pycuda.driver") and sys.modules["pycuda"]


def _forget_gpu_modules() -> None:
    for name in [name for name in sys.modules if name.startswith("rtseg.engines.tensorrt.") and name not in WITHOUT_GPU]:
        del sys.modules[name]
