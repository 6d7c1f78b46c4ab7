"""Provide a function that installs a small package with entry points for one test."""

import itertools
from pathlib import Path

import pytest

_numbers = itertools.count()


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that puts a package on the path. entries: by group, {name: object}; code: of its only module."""

    def install(code: str, entries: dict[str, dict[str, str]], package: str = "") -> str:
        number = next(_numbers)
        name, module = package or f"package{number}", f"plugin_module_{number}"
        folder = tmp_path / f"site{number}"
        info = folder / f"{name}-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        lines = [
            line
            for group, offered in entries.items()
            for line in [f"[{group}]", *(f"{one} = {module}:{what}" for one, what in offered.items())]
        ]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
        (folder / f"{module}.py").write_text(code)
        monkeypatch.syspath_prepend(str(folder))
        return name

    return install
