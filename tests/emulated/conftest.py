"""The kernels, compiled for the host, in a folder that is kept from run to run."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from emulated import compiler
from emulated.driver import device as devices

from rtseg.kernels import cuda

KEPT_S = 24 * 3600  # after a day a library is compiled anew, so that those of old kernels go


@pytest.fixture(scope="session")
def compiled_folder(pytestconfig: pytest.Config) -> Path:
    if compiler.GXX is None:
        pytest.skip("there is no g++: CUDA kernels cannot be emulated here")
    assert pytestconfig.cache is not None
    folder = pytestconfig.cache.mkdir("emulated")
    for old in (path for path in folder.iterdir() if path.stat().st_mtime < time.time() - KEPT_S):
        old.unlink()
    return folder


@pytest.fixture(scope="session")
def kernels_library(compiled_folder: Path) -> Path:
    """All of kernels/*.cu with the emulator."""
    return compiler.shared_library(compiled_folder, compiler.sources(), *compiler.PLAIN)


@pytest.fixture(scope="session")
def sanitized_library(compiled_folder: Path) -> Path:
    """The same with the address and the undefined-behaviour sanitizer."""
    return compiler.shared_library(compiled_folder, compiler.sources(), *compiler.SANITIZED)


@pytest.fixture
def emulated(kernels_library: Path) -> Iterator[Path]:
    """Device arrays are emulated ones during the test."""
    cuda.choose(kernels_library)
    yield kernels_library
    cuda.choose(cuda.BUILT)


@pytest.fixture
def gpu(emulated: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[devices.Device]:
    """The emulated GPU, which pycuda and TensorRT seem to drive: rtseg's modules that import them do so anew."""
    from emulated.driver import pycuda_driver, tensorrt_runtime

    pycuda = ModuleType("pycuda")
    pycuda.driver = pycuda_driver  # type: ignore[attr-defined]
    for name, module in {"pycuda": pycuda, "pycuda.driver": pycuda_driver, "tensorrt": tensorrt_runtime}.items():
        monkeypatch.setitem(sys.modules, name, module)
    devices.plug(devices.Device(emulated))
    _forget_gpu_modules()
    yield devices.plugged()
    devices.plugged().mend()
    _forget_gpu_modules()


def _forget_gpu_modules() -> None:
    for name in ("gpu", "plan", "step", "uploads", "lasting", "tensorrt", "build", "rising", "planned"):
        sys.modules.pop(f"rtseg.engines.{name}", None)
