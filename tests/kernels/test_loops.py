"""Tests the rules that every compiled loop must follow."""

import ast
from pathlib import Path

import pytest

import rtseg
from rtseg import kernels

SCALARS = {
    "None",
    "int",
    "float",
    "bool",
    *(f"np.{name}" for name in ("float32", "int64", "uint8", "uint16", "uint32", "uint64")),
}
LOOPS = [
    (path.name, function)
    for package in (Path(kernels.__file__).parent, Path(rtseg.__file__).parent)
    for path in sorted(package.rglob("*.py"))
    for function in ast.walk(ast.parse(path.read_text()))
    if isinstance(function, ast.FunctionDef)
    and {"compiled", "fused"} & {name.id for name in function.decorator_list if isinstance(name, ast.Name)}
]


@pytest.mark.parametrize(("place", "function"), LOOPS, ids=lambda one: getattr(one, "name", one))
def test_a_loop_without_counted_references_returns_no_array(place: str, function: ast.FunctionDef) -> None:
    """Require `allocating` for loops that return arrays: Numba's caller would release a reference that was never taken."""
    assert function.returns is not None, place
    returned = ast.unparse(function.returns)
    parts = returned.removeprefix("tuple[").removesuffix("]").split(", ") if returned.startswith("tuple[") else [returned]
    assert set(parts) <= SCALARS, f"{place}: {function.name} returns {returned}"


def test_loops_are_found() -> None:
    assert len(LOOPS) > 80
