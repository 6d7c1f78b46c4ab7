"""Tests the width of the vectors that Numba generates for our loops, and for those of others."""

import os
import subprocess
import sys
from collections.abc import Mapping

import pytest
from numba.core import codegen, config, errors
from numba.core.registry import cpu_target

from rtseg.kernels.runtime import vector_width
from rtseg.kernels.runtime.cpu import compiled

SKYLAKE, ICE_LAKE = "+avx2,+avx512f,-avx512vbmi2", "+avx2,+avx512f,+avx512vbmi2"
LOOP = """
import numba
import numpy as np

def twice(row):
    for x in range(row.size):
        row[x] *= np.float32(2)

def largest(row):
    return np.sort(row)[-1] + np.zeros(4, row.dtype).sum()

def is_wide(loop):
    loop(np.ones(8, np.float32))
    return "zmm" in "".join(loop.inspect_asm().values())

theirs_before = is_wide(numba.njit(twice))
from rtseg.kernels.runtime.cpu import allocating, compiled
ours = is_wide(compiled(twice))
row = np.random.default_rng(1).random(100).astype(np.float32)
assert allocating(largest)(row) == numba.njit(largest)(row) == row.max()  # with functions of Numba that both share
theirs_after = is_wide(numba.njit(twice))
print(theirs_before, ours, theirs_after)
"""


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(config, "CPU_FEATURES", None)
    monkeypatch.setattr(config, "CPU_NAME", None)
    monkeypatch.setattr(codegen, "get_host_cpu_features", lambda: ICE_LAKE)
    return monkeypatch


def test_a_processor_that_keeps_its_clock_is_given_wide_vectors(processor: pytest.MonkeyPatch) -> None:
    assert vector_width.is_full_width_allowed()


def test_the_first_processors_with_wide_vectors_are_spared_them(processor: pytest.MonkeyPatch) -> None:
    processor.setattr(codegen, "get_host_cpu_features", lambda: SKYLAKE)
    assert not vector_width.is_full_width_allowed()


@pytest.mark.parametrize("setting", ["CPU_FEATURES", "CPU_NAME"])
def test_what_somebody_has_set_stays(processor: pytest.MonkeyPatch, setting: str) -> None:
    processor.setattr(config, setting, "theirs")
    assert not vector_width.is_full_width_allowed()


def test_without_the_code_generator_of_numba_loops_are_compiled_at_its_own_width(processor: pytest.MonkeyPatch) -> None:
    processor.setattr(vector_width, "_CODE_GENERATOR", "an attribute that a later Numba may lack")

    @compiled
    def third(value: float) -> float:
        return value / 3

    assert third(6.0) == 2.0


def test_a_loop_that_cannot_be_compiled_leaves_the_code_generator_as_it_was() -> None:
    generator = cpu_target.target_context.codegen()

    @compiled
    def broken(value: object) -> object:
        return value.nothing  # type: ignore[attr-defined]

    with pytest.raises(errors.TypingError):
        broken(1)
    assert cpu_target.target_context.codegen() is generator


@pytest.mark.skipif(vector_width.FULL_CLOCK_FEATURE not in codegen.get_host_cpu_features().split(","), reason="no AVX512-VBMI2")
def test_our_loops_are_wide_and_those_of_others_stay_as_they_were() -> None:
    """Compile in a separate process, since loops that a process has compiled before keep their width.

    The narrow width is set explicitly: by default LLVM uses 256 bits on some processors that have 512, and not on others.
    """
    narrow = {"NUMBA_CPU_FEATURES": f"{codegen.get_host_cpu_features()},+prefer-256-bit"}
    theirs_before, ours, theirs_after = _widths({})
    assert (theirs_after, ours) == (theirs_before, "True")
    assert _widths(narrow) == ["False", "False", "False"]


def _widths(settings: Mapping[str, str]) -> list[str]:
    around = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_CPU_")}
    told = subprocess.run([sys.executable, "-c", LOOP], env={**around, **settings}, capture_output=True, text=True, check=True)
    return told.stdout.split()
