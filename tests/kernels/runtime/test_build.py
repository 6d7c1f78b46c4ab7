"""Tests CMakeLists.txt, with nvcc and without, and the table of registers and spills."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from rtseg.kernels.runtime import ptxas_table

ROOT = Path(__file__).parents[3]

LOG = """\
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '_ZN5rtseg6smoothEPKf' for 'sm_75'
ptxas info    : Function properties for _ZN5rtseg6smoothEPKf
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 14 registers, used 0 barriers, 392 bytes cmem[0]
ptxas info    : Compiling entry function '_ZN5rtseg6smoothEPKf' for 'sm_90'
ptxas info    : Function properties for _ZN5rtseg6smoothEPKf
    8 bytes stack frame, 16 bytes spill stores, 24 bytes spill loads
ptxas info    : Used 16 registers, used 1 barriers, 1060 bytes smem, 392 bytes cmem[0]
"""


@pytest.fixture
def cmake() -> str:
    found = shutil.which("cmake")
    if found is None:
        pytest.skip("there is no cmake: the build of the CUDA kernels is not tried")
    return found


def without_nvcc() -> dict[str, str]:
    """Return the environment without everything that leads to a CUDA toolkit."""
    folders = [folder for folder in os.environ["PATH"].split(os.pathsep) if not (Path(folder) / "nvcc").exists()]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CUDA")}
    return kept | {"PATH": os.pathsep.join(folders)}


def test_without_nvcc_cmake_says_so_and_goes_on(cmake: str, tmp_path: Path) -> None:
    if shutil.which("nvcc") and Path(cmake).parent == Path(str(shutil.which("nvcc"))).parent:
        pytest.skip("cmake and nvcc are in one folder: neither can be hidden alone")
    command = [cmake, "-S", str(ROOT), "-B", str(tmp_path)]
    ended = subprocess.run(command, env=without_nvcc(), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "no nvcc was found, so the CUDA kernels are not built" in ended.stdout
    assert subprocess.run([cmake, "--build", str(tmp_path)], capture_output=True, check=False).returncode == 0


def test_with_nvcc_the_architectures_are_those_it_knows(cmake: str, tmp_path: Path) -> None:
    if shutil.which("nvcc") is None:
        pytest.skip("there is no nvcc")
    ended = subprocess.run([cmake, "-S", str(ROOT), "-B", str(tmp_path)], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    for architecture in (75, 87, 90):
        assert f"{architecture}-real" in ended.stdout


def test_a_kernel_compiles_for_orin_without_spilling() -> None:
    if shutil.which("nvcc") is None:
        pytest.skip("there is no nvcc")
    found = [*ptxas_table.parse_log(ptxas_table.compile_log(ROOT / "kernels" / "filters" / "non_local_means.cu", 87))]
    assert [entry.spilled for entry in found] == [0]
    assert found[0].registers > 32


def test_the_table_is_made_from_what_the_compiler_says() -> None:
    found = [*ptxas_table.parse_log(LOG)]
    assert [tuple(entry) for entry in found] == [
        ("_ZN5rtseg6smoothEPKf", 75, 14, 0, 0),
        ("_ZN5rtseg6smoothEPKf", 90, 16, 1060, 48),
    ]
    rows = ptxas_table.markdown_table(found, {"_ZN5rtseg6smoothEPKf": "smooth"}).splitlines()
    assert rows[0] == "| kernel | sm_75 | sm_90 | shared, bytes | spilled, bytes |"
    assert rows[2] == "| `smooth` | 14 | 16 | 1060 | 48 |"


def test_the_readme_has_every_kernel_and_none_spills() -> None:
    table = ptxas_table.README.read_text().split(ptxas_table.BEGIN)[1].split(ptxas_table.END)[0]
    rows = [line.split("|")[1:-1] for line in table.strip().splitlines()[2:]]
    assert {row[-1].strip() for row in rows} == {"0"}
    listed = {row[0].strip(" `").partition("<")[0] for row in rows}
    texts = "".join(path.read_text() for path in [*ptxas_table.FOLDER.rglob("*.cu"), *ptxas_table.FOLDER.rglob("*.cuh")])
    assert listed == set(ptxas_table.KERNEL_DECLARATION.findall(texts))
