"""Tests the check of the kernels, demos/gpu_kernels.py, on the emulated GPU."""

from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from rtseg.kernels import KERNELS


@pytest.fixture(scope="module")
def gpu_kernels() -> ModuleType:
    return import_module("rtseg.demos.gpu_kernels")


@pytest.mark.parametrize("name", sorted(KERNELS))
def test_sound_kernels_agree(gpu_kernels: ModuleType, emulated: Path, name: str) -> None:
    assert gpu_kernels.agrees(KERNELS[name], KERNELS[name].cases()[0])


def test_a_kernel_that_is_off_is_named(
    gpu_kernels: ModuleType, emulated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    smooth = KERNELS["smooth"]
    monkeypatch.setattr(gpu_kernels, "KERNELS", {"smooth": smooth})
    monkeypatch.setitem(smooth.backends, "cuda", lambda current, previous, weight: np.full(current.shape, 7, np.float32))
    assert gpu_kernels.main() == 1
    assert "smooth: is off on" in capsys.readouterr().out
