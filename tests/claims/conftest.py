"""Build the wheel, and an environment with it and the core's dependencies alone, made of links."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

import pytest
from claims.checkout import ROOT, build_wheel, project
from packaging.requirements import Requirement

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel of the checkout, and return its path."""
    return build_wheel(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder like site-packages after the wheel was installed into an empty environment."""
    site = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    for distribution in _closure(project()["dependencies"]):
        for name in {file.parts[0] for file in distribution.files or [] if file.parts[0] not in ("..", "__pycache__")}:
            if not (site / name).exists():
                (site / name).symlink_to(distribution.locate_file(name))
    return site


@pytest.fixture
def bare_python(installed: Path, tmp_path: Path) -> Run:
    """Return a function that runs Python in an empty folder with the core and its dependencies alone."""

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        # -S leaves out the site-packages of the environment that runs the tests, and with them the checkout.
        command = [sys.executable, "-S", *arguments]
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(installed), "COLUMNS": "200"}
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=600, check=False)

    return run


def _closure(requirements: Sequence[str]) -> list[metadata.Distribution]:
    """Return the installed distributions that the requirements need, directly or indirectly."""
    found: dict[str, metadata.Distribution] = {}
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        wanted = waiting.pop()
        if wanted.name.lower() in found or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
            continue
        found[wanted.name.lower()] = metadata.distribution(wanted.name)
        waiting += map(Requirement, found[wanted.name.lower()].requires or [])
    return list(found.values())
