"""Test that the wheel holds what it needs, nothing else, and runs from any folder."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from claims.checkout import ROOT, build_wheel, project
from packaging.requirements import Requirement

CARRIED = (  # must be in the wheel; the links to kernels/ and engines/ become folders there
    "rtseg/**/*.py",
    "rtseg/py.typed",
    "rtseg/sources/files/clips/*",
    "kernels/**/*.py",
    "kernels/**/*.cu*",
    "engines/**/*.py",
    "engines/zoo/*.onnx",
    "engines/zoo/*.md",
    "demos/**/*.py",
    "demos/gradio_app/page.*",
    "demos/*.ipynb",
    "rtseg/sinks/view/page/*",
)
SHIPPED = (
    "rtseg/py.typed",
    "rtseg/engines/zoo/carotid.onnx",
    "rtseg/sources/files/clips/carotid.mp4",
    "rtseg/kernels/runtime/registry.py",
)


def contents(wheel: Path) -> dict[str, int]:
    with zipfile.ZipFile(wheel) as archive:
        return {entry.filename: entry.CRC for entry in archive.infolist()}


@pytest.fixture(scope="module")
def names(wheel):
    return set(contents(wheel))


@pytest.mark.parametrize("pattern", CARRIED)
def test_every_file_of_a_kind_is_inside_as_it_is(installed, pattern):
    for path in (path for path in ROOT.glob(pattern) if path.is_file()):
        inside = path.relative_to(ROOT) if pattern.startswith("rtseg/") else Path("rtseg") / path.relative_to(ROOT)
        assert (installed / inside).is_file(), f"{inside} is missing"
        assert not (installed / inside).is_symlink()
        assert (installed / inside).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_promised_is_inside(names, name):
    assert name in names


def test_a_link_is_packed_as_a_folder(wheel):
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            assert (entry.external_attr >> 16) & 0o170000 in (0, 0o100000), f"{entry.filename} is no plain file"


@pytest.mark.parametrize("name", ["LICENSE", "NOTICE"])
def test_the_licences_are_inside(installed, name):
    (inside,) = installed.glob(f"rtseg-*.dist-info/licenses/{name}")
    assert inside.read_bytes() == (ROOT / name).read_bytes()


def test_nothing_else_is_inside(names):
    assert {name.split("/")[0] for name in names} == {"rtseg", f"rtseg-{project()['version']}.dist-info"}
    strays = {"tests", "__pycache__", "out"}
    assert not [name for name in names if strays & set(name.split("/")) or name.endswith((".pyc", ".nbi", ".nbc"))]


def test_the_metadata_is_that_of_the_project(installed):
    (metadata,) = installed.glob("rtseg-*.dist-info/METADATA")
    text = metadata.read_text()
    assert f"Version: {project()['version']}" in text
    for extra in project()["optional-dependencies"]:
        assert f"Provides-Extra: {extra}" in text
    assert "rtseg = rtseg.cli:main" in (metadata.parent / "entry_points.txt").read_text()


def test_a_wheel_made_from_the_source_archive_is_the_same(wheel, tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (archive,) = tmp_path.glob("*.tar.gz")
    assert contents(build_wheel(archive, tmp_path)) == contents(wheel)


def test_the_wheel_runs_where_there_is_no_checkout(bare_python, installed):
    script = f"""
import sys, rtseg, rtseg.kernels, rtseg.engines
assert {str(ROOT)!r} not in sys.path
for module in (rtseg, rtseg.kernels, rtseg.engines):
    assert module.__file__.startswith({str(installed)!r}), module.__file__
"""
    done = bare_python("-c", script)
    assert done.returncode == 0, done.stderr


def test_the_command_of_the_wheel_segments_the_clip_that_it_carries(bare_python, installed, tmp_path):
    done = bare_python("-m", "rtseg.cli", "run", "clip:carotid", "--json", "out.jsonl")
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) > 25


def test_a_wheel_with_the_cuda_library_holds_it_and_is_for_this_platform(tmp_path):
    copy = tmp_path / "checkout"
    names = ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "NOTICE", "rtseg", "kernels", "engines", "demos")
    copy.mkdir()
    for name in names:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)
    (copy / "kernels" / "librtseg_kernels.so").write_bytes(b"a library")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(tmp_path),
        str(copy),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    assert not wheel.name.endswith("-any.whl")
    assert "rtseg/kernels/librtseg_kernels.so" in zipfile.ZipFile(wheel).namelist()


def test_users_choose_their_torch_and_the_projects_own_environments_do_not():
    (torch,) = [text for text in project()["optional-dependencies"]["train"] if text.startswith("torch")]
    assert Requirement(torch).specifier.contains("2.4.0")
    assert Requirement(torch).specifier.contains("3.0")
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert any(line.startswith("torch==") for line in lines)
    makefile = (ROOT / "Makefile").read_text()
    installs = [line for line in makefile.splitlines() if "pip install" in line]
    assert installs
    assert all("--constraint constraints.txt" in line for line in installs)
