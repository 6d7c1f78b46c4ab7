"""Runs the contract tests of every engine on the emulated TensorRT engine."""

from importlib.util import module_from_spec, spec_from_file_location
from inspect import signature
from pathlib import Path

_file = spec_from_file_location("the_contract", Path(__file__).parents[2] / "engines" / "test_contract.py")
assert _file is not None
assert _file.loader is not None
_contract = module_from_spec(_file)
_file.loader.exec_module(_contract)

CLAUSES = {
    name: test for name, test in vars(_contract).items() if name.startswith("test_") and "engine" in signature(test).parameters
}
globals().update(CLAUSES)


def test_the_contract_has_its_clauses() -> None:
    assert len(CLAUSES) >= 9
