"""Tests that every backend of every kernel agrees with the NumPy reference on every case."""

from collections.abc import Callable
from inspect import signature

import numpy as np
import pytest

from rtseg.kernels import KERNELS
from rtseg.kernels.runtime import cpu
from rtseg.kernels.runtime.registry import Kernel, KernelCase

PAIRS = [(kernel, backend) for kernel in KERNELS.values() for backend in kernel.backends]
HOST = [(kernel, backend) for kernel, backend in PAIRS if backend == "numba"]


@pytest.fixture(params=["one core", "shared"])
def bands(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run kernels in one band, or in several even for tiny images."""
    monkeypatch.setattr(cpu, "cores", lambda: 1 if request.param == "one core" else 3)
    monkeypatch.setattr(cpu, "MIN_BAND_PIXELS", 1)


def test_there_is_something_to_test() -> None:
    assert len(KERNELS) >= 8
    assert len(HOST) >= 5


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=list(KERNELS))
def test_the_truth_has_cases_and_leaves_its_inputs_alone(kernel: Kernel[..., object]) -> None:
    cases = kernel.cases()
    assert len(cases) >= 10
    assert len({case.name for case in cases}) == len(cases), "cases need names of their own"
    for case in cases:
        before = [np.copy(value) for value in case.args if isinstance(value, np.ndarray)]
        kernel.reference(*case.args, **case.options)
        after = [value for value in case.args if isinstance(value, np.ndarray)]
        assert all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in zip(before, after, strict=True)), case.name


@pytest.mark.parametrize(("kernel", "backend"), HOST, ids=[f"{kernel.name}-{backend}" for kernel, backend in HOST])
def test_a_backend_agrees_with_the_truth(kernel: Kernel[..., object], backend: str, bands: None) -> None:
    for case in kernel.cases():
        agree(kernel, kernel.backends[backend], case)


@pytest.mark.parametrize(("kernel", "backend"), PAIRS, ids=[f"{kernel.name}-{backend}" for kernel, backend in PAIRS])
def test_a_backend_takes_what_the_truth_takes_and_has_its_defaults(kernel: Kernel[..., object], backend: str) -> None:
    def taken(function: Callable[..., object]) -> list[tuple[object, ...]]:
        return [(each.name, each.kind, each.default) for each in signature(function).parameters.values()]

    assert taken(kernel.backends[backend]) == taken(kernel.reference) == taken(kernel.check)


def agree(kernel: Kernel[..., object], function: Callable[..., object], case: KernelCase) -> None:
    expected = np.asarray(kernel.reference(*case.args, **case.options))
    found = np.asarray(function(*case.args, **case.options))
    assert found.shape == expected.shape, case.name
    assert found.dtype == expected.dtype, case.name
    difference = np.abs(found.astype(np.float64) - expected.astype(np.float64))
    same = (found == expected) | (np.isnan(found) & np.isnan(expected)) if expected.dtype.kind == "f" else found == expected
    assert (same | (difference <= kernel.atol)).all(), f"{kernel.name} on {case.name}: off by {np.nanmax(difference)}"
