"""Compare every CUDA kernel with its NumPy definition on this machine's GPU, in one way of running.

python -m rtseg.demos.gpu.kernels [default | own | graph | two | mapped]
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import signature
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.kernels import KERNELS
from rtseg.kernels.runtime import cuda
from rtseg.kernels.runtime.device_array import CudaGraph, DeviceArray, pool
from rtseg.kernels.runtime.registry import Kernel, KernelCase

HOST_ARGUMENTS = {"palette"}  # array parameters that stay in host memory

Results = list[npt.NDArray[Any]]
Runner = Callable[["Kernel[..., Any]", KernelCase], Results]  # returns the results of each run of a kernel on a case


def on_default_stream(made: "Kernel[..., Any]", case: KernelCase) -> Results:
    """Run a kernel on the default stream."""
    return [_to_host(_call(made, case, _on_stream(0)))]


def on_own_stream(made: "Kernel[..., Any]", case: KernelCase) -> Results:
    """Run a kernel on a stream of its own."""
    with _stream() as stream:
        return [_to_host(_call(made, case, _on_stream(stream)))]


def in_graph(made: "Kernel[..., Any]", case: KernelCase) -> Results:
    """Capture a kernel as a graph, and replay it twice over a cleared result."""
    with _stream() as stream:
        placed = _placed(made, case, _on_stream(stream))
        found = made.backends["cuda"](*placed, **case.options)  # after this the pool holds the memory that the graph needs
        if not isinstance(found, DeviceArray):  # it waits for the GPU, which a graph cannot
            return [_to_host(found)]
        del found
        kept: list[DeviceArray] = []
        graph = CudaGraph(stream, lambda: kept.append(made.backends["cuda"](*placed, **case.options)))
        replayed = []
        for _ in range(2):
            kept[0].write(np.zeros(kept[0].shape, kept[0].dtype))
            graph.replay()
            replayed.append(kept[0].numpy())
        del graph
        return replayed


def on_two_streams(made: "Kernel[..., Any]", case: KernelCase) -> Results:
    """Run a kernel on two streams, and wait for neither before both have it."""
    with _stream() as first, _stream() as second:
        placed = [_placed(made, case, _on_stream(stream)) for stream in (first, second)]
        found = [made.backends["cuda"](*each, **case.options) for each in placed]
        return [_to_host(each) for each in found]


def on_mapped_memory(made: "Kernel[..., Any]", case: KernelCase) -> Results:
    """Run a kernel on arrays in mapped host memory, as on a Jetson."""
    from rtseg.engines.tensorrt.device import Gpu, GpuArray, PinnedArray

    gpu, pinned = Gpu(), list[PinnedArray]()
    try:
        with gpu.current():
            own = gpu.stream()  # which lives as long as its object
            stream = own.handle

            def mapped(value: npt.NDArray[Any]) -> Any:
                if not value.size:
                    return DeviceArray.of(value, stream)
                pinned.append(place := PinnedArray(value.shape, value.dtype, mapped=True))
                place.array[...] = value
                return GpuArray(place.pointer, value.shape, value.dtype, stream)

            found = [_to_host(_call(made, case, mapped))]
            pool().free_stream(stream)
            for place in pinned:
                place.close()
            return found
    finally:
        gpu.close()


RUNNERS: dict[str, Runner] = {
    "default": on_default_stream,
    "own": on_own_stream,
    "graph": in_graph,
    "two": on_two_streams,
    "mapped": on_mapped_memory,
}


def failing_cases(made: "Kernel[..., Any]", run: Runner) -> list[str]:
    """Return the names of the cases in which a kernel's CUDA backend exceeds the tolerance."""
    return [case.name for case in made.cases() if not agrees(made, case, run)]


def agrees(made: "Kernel[..., Any]", case: KernelCase, run: Runner) -> bool:
    """Return whether all results of the CUDA backend agree with the definition on a case, within the kernel's `atol`."""
    expected = np.asarray(made.reference(*case.args, **case.options))
    return all(
        found.shape == expected.shape
        and np.allclose(found, expected, rtol=0, atol=made.atol, equal_nan=found.dtype.kind == "f")
        for found in run(made, case)
    )


def main(way: str = "default") -> int:
    """Print one line for each kernel and return the exit status: 0 when all agree."""
    if problem := cuda.problem():
        sys.stdout.write(f"{problem}\n")
        return 1
    failed = 0
    for name, made in sorted(KERNELS.items()):
        wrong = failing_cases(made, RUNNERS[way])
        failed += bool(wrong)
        sys.stdout.write(f"{name}: {'agrees' if not wrong else 'is off on ' + ', '.join(wrong[:5])}\n")
    return failed > 0


def _call(made: "Kernel[..., Any]", case: KernelCase, place: Callable[[npt.NDArray[Any]], Any]) -> Any:
    return made.backends["cuda"](*_placed(made, case, place), **case.options)


def _placed(made: "Kernel[..., Any]", case: KernelCase, place: Callable[[npt.NDArray[Any]], Any]) -> list[Any]:
    """Return a case's arguments with the arrays that a GPU reads placed there."""
    named = zip(signature(made.reference).parameters, case.args, strict=False)
    return [place(value) if isinstance(value, np.ndarray) and name not in HOST_ARGUMENTS else value for name, value in named]


def _on_stream(stream: int) -> Callable[[npt.NDArray[Any]], DeviceArray]:
    return lambda value: DeviceArray.of(value, stream)


def _to_host(found: Any) -> npt.NDArray[Any]:
    return np.asarray(found.numpy() if isinstance(found, DeviceArray) else found)


@contextmanager
def _stream() -> Iterator[int]:
    """Yield a new stream, which is destroyed after what the pool keeps for it."""
    made = cuda.library().create("stream_create")
    try:
        yield made
    finally:
        pool().free_stream(made)
        cuda.library().call("stream_destroy", made)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
