"""Read the project's modules and import statements, and build its wheel, for the tests of claims."""

import ast
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import resolve_name
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
FOLDERS = ("rtseg", "kernels", "engines", "demos")


@dataclass(frozen=True, slots=True)
class ImportedName:
    """Holds one imported name in full: `from rtseg.frame import Frame` is rtseg.frame.Frame."""

    name: str
    line: int
    lazy: bool  # whether the import stands inside a function


def modules() -> list[Path]:
    """Return every module of the project once, relative to the checkout."""
    found = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
    return sorted({path.resolve().relative_to(ROOT) for path in found})


def imports(source: str, path: Path) -> list[ImportedName]:
    """Return the import statements of a module at `path`."""
    tree = ast.parse(source, str(path))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    inside = {id(node) for function in functions for node in ast.walk(function)}
    return [
        ImportedName(name, node.lineno, id(node) in inside)
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in _names(node, path)
    ]


def project() -> dict[str, Any]:
    """Return the `project` table of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def build_wheel(source: Path, folder: Path) -> Path:
    """Build the wheel of a checkout or a source archive by `pip wheel`, with the hatchling of the dev extra."""
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    built = subprocess.run([*pip, str(source)], capture_output=True, text=True, timeout=120, check=False)
    assert built.returncode == 0, f"{built.stderr}\nis hatchling there? pip install 'rtseg[dev]'"
    (wheel,) = folder.glob("rtseg-*.whl")
    return wheel


def _names(node: ast.Import | ast.ImportFrom, path: Path) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    module = resolve_name("." * node.level + (node.module or ""), _package(path)) if node.level else node.module
    return [f"{module}.{alias.name}" for alias in node.names]


def _package(path: Path) -> str:
    package = ".".join(path.parent.parts)
    return package if path.parts[0] in ("rtseg", "demos") else f"rtseg.{package}"
