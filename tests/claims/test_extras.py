"""Test that the core runs without extras, and names the extra that a command needs."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest
from claims.checkout import ROOT, imports, modules, project
from packaging.requirements import Requirement

DEVELOPMENT = "dev"  # its packages serve the tests only
IMPORTED_AS = {  # packages whose import name differs
    "nvidia-ml-py": "pynvml",
    "pynrrd": "nrrd",
    "tensorrt-cu12": "tensorrt",
    "tensorrt-cu13": "tensorrt",
}
PLUGINS = {"python-gdcm", "pylibjpeg", "pylibjpeg-openjpeg", "pylibjpeg-rle"}  # decoders that pydicom loads itself
TORCH = (  # reached only by `rtseg train`, `rtseg export`, `rtseg adopt`, `rtseg quantize` and `rtseg bench --engines`
    "rtseg/models/",
    "rtseg/train/",
    "engines/convert/export_torch.py",
    "engines/convert/third_party.py",
    "engines/convert/torch_source.py",
    "engines/convert/safe_checkpoint.py",
    "engines/convert/nnunet_folder.py",
    "engines/convert/dynunet_weights.py",
    "engines/convert/monai_bundle.py",
    "engines/tensorrt/fp16.py",
    "engines/convert/quantize.py",
    "engines/torch.py",
)


def optional_packages() -> set[str]:
    """Return the import names of the extras' packages."""
    extras = project()["optional-dependencies"]
    names = {Requirement(text).name for extra, texts in extras.items() if extra != DEVELOPMENT for text in texts}
    return {IMPORTED_AS.get(name, name.replace("-", "_")) for name in names - PLUGINS}


def missing_extras(source: str) -> set[str]:
    """Return the extras that a module names in MissingExtra."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    raised = [call for call in calls if ast.unparse(call.func).endswith("MissingExtra")]
    return {ast.literal_eval(call.args[1] if len(call.args) > 1 else call.keywords[0].value) for call in raised}


OPTIONAL = optional_packages()


def homes(paths: list[Path]) -> dict[str, list[str]]:
    """Return for each optional package the modules that import it; the torch part counts as one module."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in paths:
        for name in {statement.name.split(".")[0] for statement in imports((ROOT / path).read_text(), path)} & OPTIONAL:
            found[name].add("torch part" if str(path).startswith(TORCH) else str(path))
    return {name: sorted(places) for name, places in found.items()}


HOMES = homes(modules())


@pytest.mark.parametrize("package", sorted(OPTIONAL))
def test_an_optional_package_has_one_home(package):
    elsewhere = [place for place in HOMES.get(package, []) if place != "torch part"]
    assert HOMES.get(package), f"no module imports {package}: drop it from the extras"
    assert len(elsewhere) <= 1, f"{package} is imported by {elsewhere}: one module imports it, and the others that one"


def test_torch_stays_in_its_part():
    assert HOMES["torch"] == ["torch part"]


@pytest.mark.parametrize("path", modules(), ids=str)
def test_an_error_names_an_extra_that_exists(path):
    assert missing_extras((ROOT / path).read_text()) <= set(project()["optional-dependencies"])


def test_a_planted_extra_is_found():
    assert missing_extras('raise errors.MissingExtra("an x:// source", "x") from MissingExtra("y", extra="y")') == {"x", "y"}


@pytest.mark.parametrize("package", sorted(OPTIONAL | {"scipy"}))
def test_the_bare_environment_has_no_extra(bare_python, package):
    done = bare_python("-c", f"import {package}")
    assert f"No module named '{package}'" in done.stderr


def test_every_module_of_the_core_can_be_imported(bare_python):
    names = [".".join(path.with_suffix("").parts) for path in modules() if path.parts[0] != "demos" and path.stem != "__main__"]
    names = [name.removesuffix(".__init__") for name in names]
    names = [name if name.startswith("rtseg") else f"rtseg.{name}" for name in names]
    script = f"""
from importlib import import_module
from rtseg.errors import MissingExtra
for name in {names!r}:
    try:
        import_module(name)
    except MissingExtra as error:
        print(name, "needs", error.extra)
"""
    done = bare_python("-c", script)
    assert done.returncode == 0, done.stderr
    assert "rtseg.engines.onnx needs onnx" in done.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["models"]])
def test_a_command_works_without_extras(bare_python, arguments):
    done = bare_python("-m", "rtseg.cli", *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert not done.stderr


def test_the_doctor_names_the_remedy_for_each_extra(bare_python):
    done = bare_python("-m", "rtseg.cli", "doctor")
    assert done.returncode == 0, done.stderr
    for extra in set(project()["optional-dependencies"]) - {DEVELOPMENT}:
        assert f"pip install 'rtseg[{extra}]'" in done.stdout


def test_the_main_job_works_without_extras(bare_python, tmp_path):
    source = "synthetic:vessel?height=96&width=128&frames=12"
    done = bare_python("-m", "rtseg.cli", "run", source, "--json", "out.jsonl", "--out", "out.mp4", "--masks", "masks")
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 1 + 12
    assert len(list((tmp_path / "masks").glob("*.png"))) == 12
    assert (tmp_path / "out.mp4").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["train", "x.toml"], "train"),
        (["demo"], "demo"),
        (["run", "synthetic:vessel?frames=2", "--engine", "onnx"], "onnx"),
        (["run", "synthetic:vessel?frames=2", "--engine", "tensorrt"], "tensorrt"),
        (["build", "carotid"], "tensorrt"),
        (["run", "dicom:x"], "dicom"),
        (["run", "x.nrrd"], "volumes"),
        (["run", "x.nii.gz"], "volumes"),
        (["run", "screen:"], "screen"),
    ],
)
def test_a_command_that_needs_an_extra_says_which(bare_python, tmp_path, arguments, extra):
    (tmp_path / "x.toml").write_text("")
    done = bare_python("-m", "rtseg.cli", *arguments)
    assert done.returncode != 0
    assert f"pip install 'rtseg[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr
