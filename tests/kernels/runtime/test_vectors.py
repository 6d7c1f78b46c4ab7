"""Tests the width of the vectors that Numba generates."""

import os
import subprocess
import sys
from collections.abc import Mapping

import pytest
from numba.core import codegen, config

from rtseg.kernels.runtime import cpu

SKYLAKE, ICE_LAKE = "+avx2,+avx512f,-avx512vbmi2", "+avx2,+avx512f,+avx512vbmi2"
LOOP = """
import numpy as np
from rtseg.kernels.runtime.cpu import compiled

@compiled
def twice(row):
    for x in range(row.size):
        row[x] *= np.float32(2)

twice(np.ones(8, np.float32))
print("zmm" in "".join(twice.inspect_asm().values()))
"""


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(config, "CPU_FEATURES", None)
    monkeypatch.setattr(config, "CPU_NAME", None)
    monkeypatch.setattr(codegen, "get_host_cpu_features", lambda: ICE_LAKE)
    return monkeypatch


def test_a_processor_that_keeps_its_clock_is_given_wide_vectors(processor: pytest.MonkeyPatch) -> None:
    cpu.enable_wide_vectors()
    assert f"{ICE_LAKE},-prefer-256-bit" == config.CPU_FEATURES


def test_the_first_processors_with_wide_vectors_are_spared_them(processor: pytest.MonkeyPatch) -> None:
    processor.setattr(codegen, "get_host_cpu_features", lambda: SKYLAKE)
    cpu.enable_wide_vectors()
    assert config.CPU_FEATURES is None


@pytest.mark.parametrize("setting", ["CPU_FEATURES", "CPU_NAME"])
def test_what_somebody_has_set_stays(processor: pytest.MonkeyPatch, setting: str) -> None:
    processor.setattr(config, setting, "theirs")
    cpu.enable_wide_vectors()
    assert {config.CPU_FEATURES, config.CPU_NAME} == {"theirs", None}


@pytest.mark.skipif(cpu.FULL_CLOCK_FEATURE not in codegen.get_host_cpu_features().split(","), reason="no AVX512-VBMI2 here")
def test_numba_makes_them() -> None:
    """Compile in a separate process, since loops that a process has compiled before keep their width.

    The narrow width is set explicitly: by default LLVM uses 256 bits on some processors that have 512, and not on others.
    """
    narrow = {"NUMBA_CPU_FEATURES": f"{codegen.get_host_cpu_features()},+prefer-256-bit"}
    assert (_compiles_wide({}), _compiles_wide(narrow)) == (True, False)


def _compiles_wide(settings: Mapping[str, str]) -> bool:
    around = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_CPU_")}
    told = subprocess.run([sys.executable, "-c", LOOP], env={**around, **settings}, capture_output=True, text=True, check=True)
    return told.stdout.split() == ["True"]
