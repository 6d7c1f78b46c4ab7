"""Tests that the emulator finds faults planted in the shipped kernels.

test_backends.py shows that the same kernels pass without the faults: in all schedules, with sanitizers and without.
"""

import re
import shutil
from pathlib import Path

import pytest
from emulated import compiler

FAULTS = {  # (file, its text): the text that replaces it
    ("filters/window.cuh", "width + x];\n  }\n  __syncthreads();"): "width + x];\n  }",
    ("network/fit_input.cu", "pixel[kChannels == 3 ? plane : 0]"): "pixel[0]",
    ("temporal/smooth.cu", "if (i >= count) return;"): "if (i > count) return;",
    ("network/argmax_labels.cu", "if (y == 1 && x < kTileHeight)"): "if (y == 1 && x <= kTileHeight)",
    ("labels/square.cuh", "i < rows * kSquareWidth;"): "i <= rows * kSquareWidth;",
}


@pytest.fixture(scope="module")
def planted(compiled_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the kernels with all of the faults, under sanitizers."""
    folder = tmp_path_factory.mktemp("planted")
    for path in [*compiler.KERNELS.rglob("*.cu"), *compiler.KERNELS.rglob("*.cuh")]:
        copy = folder / path.relative_to(compiler.KERNELS)
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(path, copy)
    for (name, sound), fault in FAULTS.items():
        text = (folder / name).read_text()
        assert text.count(sound) == 1, f"the fault of {name} has lost its place: plant it anew"
        (folder / name).write_text(text.replace(sound, fault))
    return compiler.shared_library(compiled_folder, compiler.sources(folder), *compiler.SANITIZED, "-O0")


@pytest.fixture(scope="module")
def failures(planted: Path) -> list[str]:
    """Return the failures of the kernels whose faults do not access memory out of bounds."""
    ended = compiler.sanitized_python("-m", "emulated.meeting", str(planted), "median", "fit_input")
    assert ended.returncode == 1, ended.stderr
    return ended.stdout.splitlines()


def test_a_missing_barrier_shows_as_a_difference_between_schedules(failures: list[str]) -> None:
    lines = [line for line in failures if line.startswith("median on odd grey, 5, ")]
    forwards, backwards = (next(line for line in lines if f", {order} (" in line) for order in ("forwards", "backwards"))
    assert forwards.partition("): ")[2] != backwards.partition("): ")[2], "what depends on the order of threads is a race"


def test_a_wrong_index_shows_as_a_difference_from_the_truth(failures: list[str]) -> None:
    for schedule in ("forwards", "backwards", "shuffled"):
        assert any(line.startswith("fit_input on odd rgb") and f", {schedule} (emulated)" in line for line in failures)


@pytest.mark.parametrize(
    ("kernel", "says"),
    [
        ("smooth", "heap-buffer-overflow.*smooth"),  # global memory
        ("argmax_labels", "argmax_labels.cu:.*(insufficient space|out of bounds)"),  # static shared memory
        ("inner_contour", "use-after-poison.*along_rows"),  # dynamic shared memory
    ],
)
def test_a_write_out_of_bounds_is_found(planted: Path, kernel: str, says: str) -> None:
    ended = compiler.sanitized_python("-m", "emulated.meeting", str(planted), kernel)
    assert ended.returncode != 0
    assert re.search(says, ended.stderr.replace("\n", " ")), ended.stderr
