"""Tests that the emulator follows CUDA's rules, and names a kernel that breaks them."""

import ctypes
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from emulated import compiler
from emulated.schedules import Schedule

RUBBISH = np.int32(0xCDCDCDCD - 2**32)


@pytest.fixture(scope="module", params=["own switch", "ucontext"])
def path(request: pytest.FixtureRequest, compiled_folder: Path) -> Path:
    sources = [Path(__file__).with_name("language.cu"), compiler.KERNELS / "runtime" / "arrays.cu"]
    how = ["-DEMULATED_UCONTEXT"] if request.param == "ucontext" else []
    return compiler.shared_library(compiled_folder, sources, *compiler.PLAIN, *how)


@pytest.fixture
def run(path: Path) -> Callable[..., str]:
    native = ctypes.CDLL(str(path))
    native.rtseg_error_string.restype = ctypes.c_char_p

    def call(name: str, *arguments: Any, stream: int | None = None) -> str:
        pointers = [ctypes.c_void_p(value.ctypes.data) if isinstance(value, np.ndarray) else value for value in arguments]
        code = getattr(native, f"language_{name}")(*pointers, ctypes.c_void_p(stream))
        return native.rtseg_error_string(code).decode() if code else ""

    return call


@pytest.fixture(params=list(Schedule), ids=lambda schedule: schedule.name.lower())
def schedule(request: pytest.FixtureRequest, path: Path) -> None:
    request.param.choose(path)


def zeros(count: int) -> npt.NDArray[np.int32]:
    return np.zeros(count, np.int32)


def test_a_barrier_waits_for_all_and_shared_memory_begins_as_rubbish(run: Callable[..., str], schedule: None) -> None:
    given, found = np.arange(256, dtype=np.int32), zeros(257)
    for _ in range(2):
        assert run("reverse", given, found, 256) == ""
        assert (found[:256] == given[::-1]).all()
        assert found[256] == RUBBISH


def test_shuffles_dynamic_memory_and_atomics_add_up(run: Callable[..., str], schedule: None) -> None:
    given, found = np.arange(128, dtype=np.float32), np.zeros(2, np.float32)
    assert run("total", given, found, 128, 3) == ""
    assert found.tolist() == [3 * given.sum()] * 2


def test_lanes_read_lanes(run: Callable[..., str], schedule: None) -> None:
    found = zeros(4 * 64)
    assert run("lanes", found) == ""
    up, within_eight, ballot, votes = found.reshape(4, 2, 32)
    lane = np.arange(32)
    assert (up == np.maximum(lane - 1, 0)).all()
    assert (within_eight == lane // 8 * 8 + 3).all()
    assert (ballot.astype(np.uint32) == sum(1 << k for k in range(0, 32, 3))).all()
    assert (votes == 1 + np.where(lane < 4, 4 * 2, 0)).all()


def test_no_step_of_an_atomic_is_lost(run: Callable[..., str], schedule: None) -> None:
    found = zeros(1)
    assert run("count_up", found) == ""
    assert found[0] == 300


def test_every_thread_of_every_block_runs_once(run: Callable[..., str], schedule: None) -> None:
    found = zeros(24 * 24)
    assert run("index", found) == ""
    assert (found.reshape(4, 6, 2, 12) == 1 + 10 * np.arange(4)[:, None, None, None] + np.arange(2)[:, None]).all()


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("some_wait", (40,), "some_wait.* waits at a barrier .*language.cu.* does not reach: it has ended"),
        ("wait_apart", (), "wait_apart.* waits at a barrier .* does not reach: it waits at wait_apart"),
        (
            "some_shuffle",
            (zeros(64),),
            "some_shuffle.* waits at a warp operation .* thread .5, 0, 0. does not reach: it has ended",
        ),
        ("shuffle_from_outside", (zeros(64),), "shuffle_from_outside.* reads lane 9, which its mask leaves out"),
        ("nothing", (1025, 1, 0), "nothing.*a block of 1025 threads"),
        ("nothing", (32, 0, 0), "nothing.*an impossible grid"),
        ("nothing", (32, 1, 49153), "nothing.*49153 bytes of shared memory"),
    ],
)
def test_a_broken_promise_names_the_kernel(
    run: Callable[..., str], schedule: None, name: str, arguments: tuple[Any, ...], says: str
) -> None:
    said = run(name, *arguments)
    assert re.search(f"kernel language::{says}", said), said
    assert run("nothing", 32, 1, 0) == "", "the next launch is not touched by the one that failed"


def test_a_template_cannot_take_static_shared_memory(compiled_folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "template.cu"
    source.write_text(
        '#include "runtime/launch.cuh"\ntemplate <typename T> __global__ void k() { __shared__ T a[2]; a[0] = 1; }\n'
        "int f() { return rtseg::launch(k<int>, 1, 1, 0, nullptr); }\n"
    )
    with pytest.raises(AssertionError, match="a template takes dynamic_shared"):
        compiler.shared_library(compiled_folder, [source], *compiler.PLAIN)
