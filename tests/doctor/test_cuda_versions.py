"""Tests that the doctor compares CUDA versions as NVIDIA's drivers do, and says what to install."""

import shutil
import subprocess

import pytest

from rtseg.doctor import cuda_versions
from rtseg.doctor.cuda_versions import CudaVersions, driver_cuda_version


@pytest.mark.parametrize(
    "versions",
    [
        CudaVersions(12040, 12000, 12080, 12060),  # minor versions of one major version are compatible
        CudaVersions(13000, 12000, 12040, 12040),  # a newer driver runs older programs
        CudaVersions(13000, 13000, 13000, 13000),
        CudaVersions(12020, 0, 0, 0),
    ],
    ids=str,
)
def test_what_fits_needs_nothing(versions):
    assert versions.advice() == ""


@pytest.mark.parametrize(
    ("versions", "words"),
    [
        (CudaVersions(0, 12000, 12040, 12040), ["there is no NVIDIA driver"]),
        (CudaVersions(11080, 12000, 12040, 12040), ["the driver runs CUDA 11.8", "install driver 525 or later"]),
        (CudaVersions(12040, 13000, 0, 0), ["TensorRT wants CUDA 13", "rtseg[tensorrt-cu12]", "driver 580"]),
        (CudaVersions(12040, 12000, 13000, 12040), ["pycuda was built with CUDA 13.0", "CUDA_ROOT=/usr/local/cuda-12 "]),
        (CudaVersions(12040, 12000, 12040, 13000), ["the kernels were built with CUDA 13.0", "nvcc of CUDA 12"]),
        (CudaVersions(12040, 13000, 13000, 13000), ["TensorRT wants", "pycuda was", "the kernels were"]),
    ],
    ids=str,
)
def test_what_does_not_fit_says_what_to_install(versions, words):
    assert all(word in versions.advice() for word in words), versions.advice()


def test_the_package_of_tensorrt_tells_its_cuda(monkeypatch):
    installed = {"tensorrt": "10.3.0"}
    monkeypatch.setattr(cuda_versions, "installed_version", installed.get)
    assert (cuda_versions.tensorrt_package(), cuda_versions._tensorrt_version()) == ("tensorrt", 0)
    installed["tensorrt-cu13"] = "11.4"
    assert (cuda_versions.tensorrt_package(), cuda_versions._tensorrt_version()) == ("tensorrt-cu13", 13000)


@pytest.mark.skipif(not shutil.which("gcc"), reason="there is no gcc to make a driver with")
def test_the_driver_is_asked_for_its_version(tmp_path):
    assert driver_cuda_version(str(tmp_path / "none.so")) == 0
    for code, found in [(0, 12040), (3, 0)]:
        text = f"int cuDriverGetVersion(int* version) {{ *version = 12040; return {code}; }}"
        library = tmp_path / f"{code}.so"
        subprocess.run(["gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", library], input=text, text=True, check=True)
        assert driver_cuda_version(str(library)) == found
