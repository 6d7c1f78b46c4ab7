"""Tests device arrays, their memory, streams and graphs on the emulated GPU."""

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from emulated import meeting

from rtseg.errors import EngineError, ImageError
from rtseg.kernels import blend, fit_input, letterbox, smooth, srad
from rtseg.kernels.runtime import cuda
from rtseg.kernels.runtime.device_array import MAX_FREE_BLOCKS, CudaGraph, DeviceArray, pool
from rtseg.kernels.runtime.registry import Kernel

CAPTURABLE = [made for made in meeting.CUDA_KERNELS if made.name != "has_nonfinite"]  # which synchronizes


@pytest.fixture
def stream(emulated: Path) -> Iterator[int]:
    made = cuda.library().create("stream_create")
    yield made
    gc.collect()
    cuda.library().call("stream_destroy", made)


@pytest.fixture
def allocations(emulated: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the list that collects the sizes of all CUDA allocations from now on."""
    asked: list[int] = []
    made = cuda.library().create

    def counted(name: str, *arguments: Any) -> int:
        asked.extend(arguments if name == "allocate" else ())
        return made(name, *arguments)

    monkeypatch.setattr(cuda.library(), "create", counted)
    return asked


def test_an_emulated_gpu_is_one(emulated: Path) -> None:
    assert cuda.problem() == ""


def test_what_goes_up_comes_down(emulated: Path) -> None:
    picture = np.arange(42, dtype=np.uint8).reshape(6, 7)[::2, ::-1]
    array = DeviceArray.of(picture)
    assert (array.shape, array.dtype, array.ndim, array.nbytes) == ((3, 7), np.uint8, 2, 21)
    assert (array.numpy() == picture).all()
    array.write(picture[:, ::-1])
    assert (array.numpy() == picture[:, ::-1]).all()
    with pytest.raises(ImageError, match=r"does not fit into .* make an array for it"):
        array.write(picture[:2])


def test_a_kernel_goes_where_its_array_lives(emulated: Path) -> None:
    picture = np.full((8, 8), 100, np.uint8)
    fit = letterbox((0, 0, 8, 8), (4, 4))
    found = fit_input(DeviceArray.of(picture), fit, (0.0,), (1.0,))  # type: ignore[arg-type]
    assert isinstance(found, DeviceArray)
    assert (found.numpy() == fit_input(picture, fit, (0.0,), (1.0,))).all()


def test_the_same_checks_as_on_the_host(emulated: Path) -> None:
    with pytest.raises(ImageError, match=r"an image is \(H, W\) or \(H, W, 3\)"):
        fit_input(DeviceArray((2, 2, 2), np.uint8), letterbox((0, 0, 2, 2), (4, 4)), (0.0,), (1.0,))  # type: ignore[arg-type]


def test_other_libraries_arrays_are_taken_if_contiguous(emulated: Path) -> None:
    class Foreign:
        def __init__(self, inner: DeviceArray, strides: tuple[int, ...] | None) -> None:
            self.shape, self.dtype, self._inner = inner.shape, inner.dtype, inner
            self.__cuda_array_interface__ = inner.__cuda_array_interface__ | {"strides": strides}

    values = DeviceArray.of(np.ones((4, 3), np.float32))
    assert (smooth(Foreign(values, (12, 4)), values, 0.5).numpy() == 1).all()  # type: ignore[arg-type, attr-defined]
    with pytest.raises(ImageError, match="C-contiguous arrays: make a contiguous copy"):
        smooth(Foreign(values, (4, 16)), values, 0.5)  # type: ignore[arg-type]


def test_an_array_on_the_wrong_side_is_refused(emulated: Path) -> None:
    here, there = np.ones((4, 3), np.float32), DeviceArray((4, 3), np.float32)
    with pytest.raises(ImageError, match=r"given a ndarray where it takes what lives on the GPU: put it there"):
        smooth(there, here, 0.5)  # type: ignore[arg-type]
    picture, palette = DeviceArray((4, 3), np.uint8), DeviceArray((1, 3), np.uint8)
    with pytest.raises(ImageError, match=r"given a DeviceArray where it takes what lives on the host: give a NumPy array"):
        blend(picture, picture, palette, 0.5)  # type: ignore[arg-type]


def test_a_steady_stream_allocates_nothing(allocations: list[int]) -> None:
    picture = np.zeros((30, 40), np.uint8)
    fit = letterbox((0, 0, 30, 40), (16, 16))
    for _ in range(5):
        fit_input(DeviceArray.of(picture), fit, (0.0,), (1.0,)).numpy()  # type: ignore[arg-type, attr-defined]
    assert len(allocations) <= 2, "the first frame's memory serves the next ones"


def test_memory_that_nobody_wants_goes_back(emulated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    freed: list[int] = []
    call = cuda.library().call
    monkeypatch.setattr(cuda.library(), "call", lambda name, *rest: freed.append(1) if name == "free" else call(name, *rest))
    for size in range(1, 2 * MAX_FREE_BLOCKS + 1):
        DeviceArray((100_000 + size,), np.uint8)
    assert len(freed) >= MAX_FREE_BLOCKS


@pytest.mark.parametrize("made", CAPTURABLE, ids=lambda made: made.name)
def test_a_kernel_can_be_captured_into_a_graph(made: Kernel[..., Any], stream: int) -> None:
    case = made.cases()[-1]
    expected = np.asarray(made.reference(*case.args, **case.options))
    arguments = meeting.to_device(made, case, stream)
    results = [made.backends["cuda"](*arguments, **case.options)]  # after this the pool holds the memory that the graph needs
    results.clear()
    graph = CudaGraph(stream, lambda: results.append(made.backends["cuda"](*arguments, **case.options)))
    for _ in range(2):
        results[0].write(np.zeros(results[0].shape, results[0].dtype))
        graph.replay()
        assert meeting.describe_mismatch(made, expected, results[0].numpy()) == ""


def test_kernels_of_one_graph_share_what_they_work_in(stream: int) -> None:
    picture = DeviceArray.of(np.arange(63, dtype=np.uint8).reshape(7, 9), stream)

    def twice() -> Any:
        return srad(srad(picture))  # type: ignore[arg-type]

    expected = twice().numpy()
    results: list[Any] = []
    graph = CudaGraph(stream, lambda: results.append(twice()))
    results[0].write(np.zeros((7, 9), np.uint8))
    graph.replay()
    assert (results[0].numpy() == expected).all()


def test_memory_of_a_graph_is_its_own_until_it_goes(stream: int) -> None:
    ones = DeviceArray.of(np.ones((5, 7), np.float32), stream)
    DeviceArray((5, 7), np.float32, stream)
    graph = CudaGraph(stream, lambda: smooth(ones, ones, 0.5))  # type: ignore[arg-type]
    held = pool().allocate(140, stream)
    graph.replay()
    fresh = DeviceArray((5, 7), np.float32, stream)
    pool().deallocate(140, stream, held)
    del graph
    gc.collect()
    again = [DeviceArray((5, 7), np.float32, stream) for _ in range(2)]
    assert fresh.pointer not in {array.pointer for array in again}
    assert len({array.pointer for array in again}) == 2


def test_allocating_while_capturing_says_so(stream: int) -> None:
    with pytest.raises(EngineError, match=r"allocate failed, operation not permitted .*open it again"):
        CudaGraph(stream, lambda: DeviceArray((987_654,), np.uint8, stream))
    assert (DeviceArray.of(np.ones(3), stream).numpy() == 1).all(), "the stream goes on"


def test_a_launch_that_fails_names_the_kernel(emulated: Path) -> None:
    with pytest.raises(EngineError, match=r"inner_contour failed, kernel rtseg::inner_contour.*bytes of shared memory"):
        cuda.launch("inner_contour", DeviceArray((4, 4), np.uint8), 4, 4, 300, DeviceArray((4, 4), np.uint8))
