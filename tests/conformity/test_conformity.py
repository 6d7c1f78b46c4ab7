"""Checks that the real tensorrt and pycuda have every name that rtseg uses and that the emulated packages offer.

`make conformity` runs the slow part too: it builds pycuda from source and runs the emulated GPU's tests on it. `make test`
checks TensorRT's wheels (1.3 MB each), if they can be downloaded, and reads the report of the last `make conformity`.
"""

import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conformity import bindings, names
from emulated.driver import pycuda_driver, tensorrt_runtime

Names = dict[str, dict[str, str]]

WHOLE = bool(os.environ.get("RTSEG_CONFORMITY"))
REPORT = names.ROOT / "docs" / "benchmarks" / "conformity.json"
# These tests of tests/emulated/engine run on the real pycuda.
RUN = ("test_engine.py", "test_failing.py", "test_clock.py", "test_prefetch.py", "test_failover.py")
LONGEST_S = 3600
STAND_IN_ONLY = {"tensorrt": {"INetworkDefinition.content"}}


@pytest.fixture(scope="session")
def kept(pytestconfig: pytest.Config) -> Path:
    assert pytestconfig.cache is not None
    return pytestconfig.cache.mkdir("conformity")


@pytest.fixture(scope="session", params=bindings.VERSIONS)
def tensorrt(request: pytest.FixtureRequest, kept: Path) -> Names:
    if not (shutil.which("gcc") and shutil.which("nm")):
        pytest.skip("there is no gcc to make stubs with")
    try:
        return bindings.tensorrt_names(request.param, kept)
    except bindings.Unavailable as error:
        pytest.skip(f"TensorRT's bindings {request.param} cannot be had: {error}")


@pytest.fixture(scope="session")
def pycuda(kept: Path) -> Names:
    if not (WHOLE or (kept / "pycuda.json").exists()):
        pytest.skip("pycuda is built from source by `make conformity` alone: it takes minutes")
    try:
        return bindings.pycuda_names(kept)
    except bindings.Unavailable as error:
        pytest.skip(f"pycuda cannot be built: {error}")


def missing(found: Names, wanted: set[str]) -> list[str]:
    """Return the wanted dotted names that a package does not have."""

    def there(name: str) -> bool:
        first, _, rest = name.partition(".")
        return first in found and (not rest or rest.partition(".")[0] in found[first])

    return sorted(name for name in wanted if not there(name))


def wanted_of_tensorrt() -> set[str]:
    """Return all names and methods of tensorrt that rtseg uses."""
    return names.used("tensorrt") | {f"{of}.{name}" for of, name in names.TENSORRT_METHODS}


def wanted_of_pycuda() -> set[str]:
    """Return all names and methods of pycuda that rtseg uses."""
    return names.used("cuda") | {f"{of}.{name}" for of, members in names.PYCUDA_METHODS.items() for name in members}


def public(module: object) -> set[str]:
    """Return the classes of an emulated package with their public methods and constants."""
    found = set()
    for name, thing in vars(module).items():
        if (
            not name.startswith("_")
            and inspect.isclass(thing)
            and thing.__module__.endswith(module.__name__.rpartition(".")[2])
        ):  # type: ignore[attr-defined]
            found |= {name} | {f"{name}.{member}" for member in vars(thing) if not member.startswith("_")}
    return found


class TestTensorRT:
    def test_every_name_that_we_use_is_there(self, tensorrt: Names) -> None:
        assert len(names.used("tensorrt")) > 12
        assert missing(tensorrt, wanted_of_tensorrt()) == []

    def test_every_method_has_its_parameters(self, tensorrt: Names) -> None:
        wanted = names.TENSORRT_METHODS
        wrong = [
            key for key, parameters in wanted.items() if not all(f"{each}:" in tensorrt[key[0]][key[1]] for each in parameters)
        ]
        assert wrong == []

    def test_the_stand_in_pretends_nothing(self, tensorrt: Names) -> None:
        own = {"Enum"} | STAND_IN_ONLY["tensorrt"]
        assert missing(tensorrt, {name for name in public(tensorrt_runtime) if name.partition(".")[0] not in own} - own) == [
            name
            for name in ["NetworkDefinitionCreationFlag.EXPLICIT_BATCH"]
            if "EXPLICIT_BATCH" not in tensorrt["NetworkDefinitionCreationFlag"]
        ]

    def test_the_table_of_methods_is_whole(self) -> None:
        """The table checked against the real package contains each emulated method that rtseg calls."""
        called = names.attributes_used(names.OURS["tensorrt"])
        offered = {name.partition(".")[2] for name in public(tensorrt_runtime) if "." in name}
        known = {name for _, name in names.TENSORRT_METHODS} | {
            part for name in names.used("tensorrt") for part in name.split(".")
        }
        assert (called & offered) - known == set()


class TestPycuda:
    def test_every_name_that_we_use_is_there(self, pycuda: Names) -> None:
        assert len(names.used("cuda")) > 12
        assert missing(pycuda, wanted_of_pycuda()) == []

    def test_the_stand_in_pretends_nothing(self, pycuda: Names) -> None:
        assert missing(pycuda, public(pycuda_driver)) == []

    def test_the_table_of_methods_is_whole(self) -> None:
        called = names.attributes_used(names.OURS["cuda"])
        offered = {name.partition(".")[2] for name in public(pycuda_driver) if "." in name}
        known = {name for members in names.PYCUDA_METHODS.values() for name in members}
        known |= {part for name in names.used("cuda") for part in name.split(".")}
        assert (called & offered) - known == set()


@pytest.mark.skipif(not WHOLE, reason="the engine runs on the real pycuda in `make conformity` alone")
def test_the_engine_runs_on_the_real_pycuda_and_the_report_says_so(kept: Path, pycuda: Names) -> None:
    """The real pycuda runs on an emulated libcuda, see tests/emulated/cuda."""
    built = bindings.pycuda_built(kept)
    tests = [f"tests/emulated/engine/{name}" for name in RUN]
    command = [sys.executable, "-m", "pytest", *tests, "-k", "not carotid and not thousand"]
    environment = os.environ | {"RTSEG_PYCUDA": str(built)}
    ended = subprocess.run(
        command, cwd=names.ROOT, env=environment, capture_output=True, text=True, check=False, timeout=LONGEST_S
    )
    assert ended.returncode == 0, ended.stdout[-4000:] + ended.stderr[-4000:]
    (count,) = re.findall(r"(\d+) passed", ended.stdout)
    report = {
        "tensorrt": {"versions": bindings.VERSIONS, "names": sorted(wanted_of_tensorrt())},
        "pycuda": {"version": built.parents[1].name, "names": sorted(wanted_of_pycuda()), "tests_passed": int(count)},
    }
    REPORT.write_text(json.dumps(report, indent=2) + "\n")


def test_the_report_knows_all_that_we_use() -> None:
    """A name that the last `make conformity` did not check makes this test fail."""
    report = json.loads(REPORT.read_text())
    assert report["tensorrt"]["versions"] == list(bindings.VERSIONS)
    assert wanted_of_tensorrt() <= set(report["tensorrt"]["names"]), "run `make conformity`, and commit its report"
    assert wanted_of_pycuda() <= set(report["pycuda"]["names"]), "run `make conformity`, and commit its report"
    assert report["pycuda"]["tests_passed"] > 50


def test_a_planted_name_is_missed() -> None:
    assert missing({"Runtime": {"load": ""}}, {"Runtime", "Runtime.load", "Runtime.fly", "Motor"}) == ["Motor", "Runtime.fly"]
