"""Tests that every backend of every kernel agrees with the NumPy reference on every case."""

from collections.abc import Callable
from inspect import signature

import numpy as np
import pytest

from rtseg.kernels import KERNELS
from rtseg.kernels.runtime import cpu
from rtseg.kernels.runtime.registry import Case, Kernel

PAIRS = [(made, backend) for made in KERNELS.values() for backend in made.backends]
HOST = [(made, backend) for made, backend in PAIRS if backend == "numba"]


@pytest.fixture(params=["one core", "shared"])
def bands(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run kernels in one band, or in several even for tiny images."""
    monkeypatch.setattr(cpu, "cores", lambda: 1 if request.param == "one core" else 3)
    monkeypatch.setattr(cpu, "LEAST_WORK", 1)


def test_there_is_something_to_test() -> None:
    assert len(KERNELS) >= 8
    assert len(HOST) >= 5


@pytest.mark.parametrize("made", KERNELS.values(), ids=list(KERNELS))
def test_the_truth_has_cases_and_leaves_its_inputs_alone(made: Kernel[..., object]) -> None:
    cases = made.cases()
    assert len(cases) >= 10
    assert len({case.name for case in cases}) == len(cases), "cases need names of their own"
    for case in cases:
        before = [np.copy(value) for value in case.args if isinstance(value, np.ndarray)]
        made.truth(*case.args, **case.options)
        after = [value for value in case.args if isinstance(value, np.ndarray)]
        assert all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in zip(before, after, strict=True)), case.name


@pytest.mark.parametrize(("made", "backend"), HOST, ids=[f"{made.name}-{backend}" for made, backend in HOST])
def test_a_backend_agrees_with_the_truth(made: Kernel[..., object], backend: str, bands: None) -> None:
    for case in made.cases():
        agree(made, made.backends[backend], case)


@pytest.mark.parametrize(("made", "backend"), PAIRS, ids=[f"{made.name}-{backend}" for made, backend in PAIRS])
def test_a_backend_takes_what_the_truth_takes_and_has_its_defaults(made: Kernel[..., object], backend: str) -> None:
    def taken(function: Callable[..., object]) -> list[tuple[object, ...]]:
        return [(each.name, each.kind, each.default) for each in signature(function).parameters.values()]

    assert taken(made.backends[backend]) == taken(made.truth) == taken(made.check)


def agree(made: Kernel[..., object], function: Callable[..., object], case: Case) -> None:
    expected = np.asarray(made.truth(*case.args, **case.options))
    found = np.asarray(function(*case.args, **case.options))
    assert found.shape == expected.shape, case.name
    assert found.dtype == expected.dtype, case.name
    difference = np.abs(found.astype(np.float64) - expected.astype(np.float64))
    same = (found == expected) | (np.isnan(found) & np.isnan(expected)) if expected.dtype.kind == "f" else found == expected
    assert (same | (difference <= made.atol)).all(), f"{made.name} on {case.name}: off by {np.nanmax(difference)}"
