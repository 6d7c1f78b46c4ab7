"""Compares the CUDA versions of the driver, TensorRT, pycuda and the kernels, and says what to install if they do not fit."""

import ctypes
from dataclasses import dataclass

from rtseg.errors import RtsegError
from rtseg.kernels.runtime import cuda
from rtseg.system.machine import installed_version

DRIVER_LIBRARY = "libcuda.so.1"
OLDEST_MAJOR = 12  # the oldest CUDA for which there is an extra
OLDEST_DRIVERS = {12: "525", 13: "580"}  # the oldest driver branch on Linux by CUDA's major version (CUDA's release notes)


@dataclass(frozen=True, slots=True)
class CudaVersions:
    """Holds CUDA versions as 12040 for 12.4; 0 where a part is absent, or does not say."""

    driver: int
    """The newest CUDA that the driver can run."""
    tensorrt: int
    """The CUDA of TensorRT's packages, without the minor version."""
    pycuda: int
    """The CUDA that pycuda was built with."""
    kernels: int
    """The CUDA that the kernels were built with."""

    def __str__(self) -> str:
        parts = {"driver": self.driver, "TensorRT": self.tensorrt, "pycuda": self.pycuda, "kernels": self.kernels}
        return ", ".join(f"{name} {_text(version)}" for name, version in parts.items())

    def advice(self) -> str:
        """Return what does not fit and what to install, "" where everything fits that is there."""
        if not self.driver:
            return "there is no NVIDIA driver: install one, or run on the CPU"
        if self.driver < 1000 * OLDEST_MAJOR:
            oldest = OLDEST_DRIVERS[OLDEST_MAJOR]
            return f"the driver runs CUDA {_text(self.driver)} and no newer: install driver {oldest} or later"
        return "; ".join(filter(None, (self._on_tensorrt(), self._on_pycuda(), self._on_kernels())))

    def _on_tensorrt(self) -> str:
        if self.tensorrt // 1000 <= self.driver // 1000:
            return ""
        major = self.driver // 1000
        return (
            f"TensorRT wants CUDA {self.tensorrt // 1000}, and the driver runs {_text(self.driver)}: pip uninstall "
            f"{tensorrt_package()}, and pip install 'rtseg[tensorrt-cu{major}]', or {_newer_driver(self.tensorrt)}"
        )

    def _on_pycuda(self) -> str:
        if self.pycuda // 1000 <= self.driver // 1000:
            return ""
        return (
            f"pycuda was built with CUDA {_text(self.pycuda)}, and the driver runs {_text(self.driver)}: build it again with "
            f"CUDA {self.driver // 1000} (CUDA_ROOT=/usr/local/cuda-{self.driver // 1000} pip install --no-cache-dir "
            f"--force-reinstall --no-deps pycuda), or {_newer_driver(self.pycuda)}"
        )

    def _on_kernels(self) -> str:
        if self.kernels // 1000 <= self.driver // 1000:
            return ""
        return (
            f"the kernels were built with CUDA {_text(self.kernels)}, and the driver runs {_text(self.driver)}: build them "
            f"with the nvcc of CUDA {self.driver // 1000}, as kernels/README.md says, or {_newer_driver(self.kernels)}"
        )


def read_cuda_versions() -> CudaVersions:
    """Return the CUDA versions of this machine's driver and packages."""
    return CudaVersions(driver_cuda_version(), _tensorrt_version(), _pycuda_version(), _kernels_version())


def driver_cuda_version(library: str = DRIVER_LIBRARY) -> int:
    """Return the newest CUDA version that the driver can run, 0 without a driver. library: the driver's own."""
    version = ctypes.c_int()
    try:
        code = ctypes.CDLL(library).cuDriverGetVersion(ctypes.byref(version))
    except (OSError, AttributeError):
        return 0
    return 0 if code else version.value


def tensorrt_package() -> str:
    """Return the name of the installed package of TensorRT: it tells its CUDA, except for JetPack's."""
    packages = [f"tensorrt-cu{major}" for major in OLDEST_DRIVERS]
    return next((package for package in packages if installed_version(package)), "tensorrt")


def _tensorrt_version() -> int:
    package = tensorrt_package()
    return 1000 * int(package.removeprefix("tensorrt-cu")) if package != "tensorrt" else 0


def _pycuda_version() -> int:
    try:
        from rtseg.engines.tensorrt.device import pycuda_cuda_version
    except RtsegError:
        return 0
    return pycuda_cuda_version()


def _kernels_version() -> int:
    try:
        return cuda.cuda_version()
    except RtsegError:
        return 0


def _newer_driver(version: int) -> str:
    oldest = OLDEST_DRIVERS.get(version // 1000)
    return f"install driver {oldest} or later" if oldest else "install a newer driver"


def _text(version: int) -> str:
    return f"{version // 1000}.{version % 1000 // 10}" if version else "unknown"
