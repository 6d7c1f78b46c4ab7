"""Tests the C ABI: the table of argument types matches the .cu files, and a missing library is reported."""

import ctypes
import re
from pathlib import Path

import numpy as np
import pytest

from rtseg.errors import EngineError
from rtseg.kernels.runtime import cuda
from rtseg.kernels.runtime.device_array import DeviceArray

KERNELS = Path(__file__).parents[3] / "kernels"
EXPORTED = re.compile(r"^RTSEG_API\s+([\w ]+?[\s*]+)rtseg_(\w+)\(([^)]*)\)", re.MULTILINE)
SCALARS = {"int": ctypes.c_int, "float": ctypes.c_float, "size_t": ctypes.c_size_t}


def exported() -> dict[str, tuple[str, list[str]]]:
    """Return the result type and the parameters of each function of the C ABI, as written in the .cu files."""
    texts = [path.read_text() for path in sorted(KERNELS.rglob("*.cu"))]
    found = [match.groups() for text in texts for match in EXPORTED.finditer(text)]
    return {
        name: (result.strip(), [part.strip() for part in parameters.split(",") if part.strip()])
        for result, name, parameters in found
    }


def ctype(parameter: str) -> type:
    return ctypes.c_void_p if "*" in parameter else SCALARS[parameter.rsplit(" ", 1)[0].removeprefix("const ")]


def test_the_table_has_every_function_and_no_other() -> None:
    assert set(exported()) == {*cuda.LAUNCHES, *cuda.CALLS, *cuda.SCRATCH_SIZES, "error_string"}
    assert len(cuda.LAUNCHES) > 25


@pytest.mark.parametrize("name", sorted(cuda.LAUNCHES | cuda.CALLS | cuda.SCRATCH_SIZES))
def test_the_table_has_the_types_of_the_text(name: str) -> None:
    result, parameters = exported()[name]
    types = (*cuda.LAUNCHES[name], ctypes.c_void_p) if name in cuda.LAUNCHES else (cuda.CALLS | cuda.SCRATCH_SIZES)[name]
    assert len(types) == len(parameters)
    assert all(issubclass(given, ctype(parameter)) for given, parameter in zip(types, parameters, strict=True))
    assert result == ("size_t" if name in cuda.SCRATCH_SIZES else "int")
    assert (name in cuda.LAUNCHES) == (parameters[-1:] == ["void* stream"] and name not in cuda.CALLS)


def test_each_file_opens_with_what_it_does() -> None:
    for path in [*KERNELS.rglob("*.cu"), *KERNELS.rglob("*.cuh")]:
        assert path.read_text().startswith("// "), path.name


@pytest.fixture
def nothing_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cuda, "LIBRARY_PATH", tmp_path / "librtseg_kernels.so")
    return tmp_path / "librtseg_kernels.so"


def test_without_the_library_the_error_says_how_to_build_it(nothing_built: Path) -> None:
    with pytest.raises(EngineError, match=r"cannot be loaded .* build them as kernels/README.md says"):
        DeviceArray((1,), np.uint8)
    assert "cannot be loaded" in cuda.problem()


def test_a_library_of_something_else_is_refused(nothing_built: Path) -> None:
    nothing_built.write_bytes(b"not a library")
    with pytest.raises(EngineError, match=r"cannot be loaded .* build them"):
        cuda.library()
