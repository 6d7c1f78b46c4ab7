"""What rtseg uses of tensorrt and pycuda is there, in the real packages, and so is what the stand-ins pretend.

`make conformity` runs it with all that takes long: pycuda built from source. In `make test`, TensorRT's wheels alone are met
(1.3 MB each), where they can be downloaded.
"""

import inspect
import os
import shutil
from pathlib import Path

import pytest
from conformity import bindings, names
from emulated.driver import pycuda_driver, tensorrt_runtime

Names = dict[str, dict[str, str]]

PLAIN = {"__version__"}
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
    if not (os.environ.get("RTSEG_CONFORMITY") or (kept / "pycuda.json").exists()):
        pytest.skip("pycuda is built from source by `make conformity` alone: it takes minutes")
    try:
        return bindings.pycuda_names(kept)
    except bindings.Unavailable as error:
        pytest.skip(f"pycuda cannot be built: {error}")


def missing(found: Names, wanted: set[str]) -> list[str]:
    """Which dotted names are in no class of a package."""

    def there(name: str) -> bool:
        first, _, rest = name.partition(".")
        return first in found and (not rest or rest.partition(".")[0] in found[first])

    return sorted(name for name in wanted if not there(name))


def public(module: object) -> set[str]:
    """The classes of a stand-in with their public methods and constants."""
    found = set()
    for name, thing in vars(module).items():
        if inspect.isclass(thing) and thing.__module__.endswith(module.__name__.rpartition(".")[2]):  # type: ignore[attr-defined]
            found |= {name} | {f"{name}.{member}" for member in vars(thing) if not member.startswith("_")}
    return found


class TestTensorRT:
    def test_every_name_that_we_use_is_there(self, tensorrt: Names) -> None:
        assert len(names.used("tensorrt")) > 12
        assert missing(tensorrt, names.used("tensorrt")) == []

    def test_every_method_is_there_with_its_parameters(self, tensorrt: Names) -> None:
        wanted = names.TENSORRT_METHODS
        assert missing(tensorrt, {f"{of}.{name}" for of, name in wanted}) == []
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
        """Each method of the stand-in that our code calls is in the table that is checked against the real ones."""
        called = names.attributes_used(names.OURS["tensorrt"])
        offered = {name.partition(".")[2] for name in public(tensorrt_runtime) if "." in name}
        known = {name for _, name in names.TENSORRT_METHODS} | {
            part for name in names.used("tensorrt") for part in name.split(".")
        }
        assert (called & offered) - known == set()


class TestPycuda:
    def test_every_name_that_we_use_is_there(self, pycuda: Names) -> None:
        assert len(names.used("cuda")) > 12
        assert missing(pycuda, names.used("cuda")) == []

    def test_every_method_is_there(self, pycuda: Names) -> None:
        assert missing(pycuda, {f"{of}.{name}" for of, members in names.PYCUDA_METHODS.items() for name in members}) == []

    def test_the_stand_in_pretends_nothing(self, pycuda: Names) -> None:
        assert missing(pycuda, public(pycuda_driver)) == []

    def test_the_table_of_methods_is_whole(self) -> None:
        called = names.attributes_used(names.OURS["cuda"])
        offered = {name.partition(".")[2] for name in public(pycuda_driver) if "." in name}
        known = {name for members in names.PYCUDA_METHODS.values() for name in members}
        known |= {part for name in names.used("cuda") for part in name.split(".")}
        assert (called & offered) - known == set()


def test_a_planted_name_is_missed() -> None:
    assert missing({"Runtime": {"load": ""}}, {"Runtime", "Runtime.load", "Runtime.fly", "Motor"}) == ["Motor", "Runtime.fly"]
