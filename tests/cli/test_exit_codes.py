"""Test that each exit status is a constant of one module, and that its page lists all of them."""

import ast
import re
from pathlib import Path

import pytest

from rtseg import exit_codes

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "exit-codes.md").read_text()
ENDINGS = {"Exit", "exit", "_exit"}
CODES = {name: value for name, value in vars(exit_codes).items() if name.startswith("EXIT_")}
MODULES = [path for folder in ("rtseg/cli", "demos/gradio_app") for path in sorted((ROOT / folder).rglob("*.py"))]


def stated_numbers(source: str) -> list[int]:
    """Return the numbers with which a module ends its process."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and node.args]
    ending = [call.args[0] for call in calls if ast.unparse(call.func).rpartition(".")[2] in ENDINGS]
    return [value.value for value in ending if isinstance(value, ast.Constant) and isinstance(value.value, int)]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_a_module_ends_by_a_constant(path: Path):
    assert not stated_numbers(path.read_text())


def test_a_planted_number_is_found():
    assert stated_numbers("raise typer.Exit(3)\nsys.exit(1)\nos._exit(code)") == [3, 1]


def test_the_page_lists_each_status_once():
    rows = re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)
    assert sorted(map(int, rows)) == sorted(set(CODES.values()))


@pytest.mark.parametrize("name", CODES)
def test_the_page_names_each_constant(name: str):
    (row,) = [line for line in PAGE.splitlines() if f"`{name}`" in line]
    assert row.startswith(f"| {CODES[name]} |")
