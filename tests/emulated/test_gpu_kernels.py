"""Tests the check of the kernels, demos/gpu/kernels.py, on the emulated GPU."""

from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from emulated.driver.device import EmulatedGpu

from rtseg.kernels import KERNELS


@pytest.fixture(scope="module")
def gpu_kernels() -> ModuleType:
    return import_module("rtseg.demos.gpu.kernels")


@pytest.mark.parametrize("name", sorted(KERNELS))
def test_sound_kernels_agree(gpu_kernels: ModuleType, emulated: Path, name: str) -> None:
    for way in ("default", "own", "graph", "two"):
        assert gpu_kernels.agrees(KERNELS[name], KERNELS[name].cases()[0], gpu_kernels.RUNNERS[way]), way


@pytest.mark.parametrize("name", ["median", "fit_input", "argmax_labels", "blend"])
def test_sound_kernels_agree_on_mapped_memory(gpu_kernels: ModuleType, gpu: EmulatedGpu, name: str) -> None:
    assert gpu_kernels.agrees(KERNELS[name], KERNELS[name].cases()[0], gpu_kernels.RUNNERS["mapped"])


@pytest.mark.parametrize("way", ["default", "own", "two"])
def test_a_kernel_that_is_off_is_named(
    gpu_kernels: ModuleType, emulated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], way: str
) -> None:
    smooth = KERNELS["smooth"]
    monkeypatch.setattr(gpu_kernels, "KERNELS", {"smooth": smooth})
    monkeypatch.setitem(smooth.backends, "cuda", lambda current, previous, weight: np.full(current.shape, 7, np.float32))
    assert gpu_kernels.main(way) == 1
    assert "smooth: is off on" in capsys.readouterr().out
