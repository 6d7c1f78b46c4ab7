"""Captures one frame's GPU work, from the uploaded frame to the requested outputs, as a CUDA graph and replays it."""

from collections.abc import Callable, Hashable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.engines.tensorrt.device import CudaStream, GpuArray, PinnedArray, TimedSpan, to_host
from rtseg.engines.tensorrt.lazy_array import ArraysByKey, LazyArray
from rtseg.kernels.runtime.cuda import launch, stream_of
from rtseg.kernels.runtime.device_array import CudaGraph, DeviceArray
from rtseg.kernels.runtime.registry import Kernel

EnqueueNetwork = Callable[[ArraysByKey], None]  # enqueues the network on the stream, and adds its outputs to the arrays


@dataclass(frozen=True, slots=True)
class OutputRequest:
    """Requests an array of a frame as an output of its graph."""

    array: LazyArray
    """The requested array."""
    into: GpuArray | None = None
    """The GPU buffer to write; None for host memory."""

    @property
    def key(self) -> Hashable:
        """Return the key that identifies the request."""
        return (self.array.key, self.into and self.into.pointer)


OutputRequests = Mapping[Hashable, OutputRequest]


class FrameGraph:
    """Runs one frame's GPU work as a CUDA graph; there is one graph per (upload slot, letterbox, state buffers).

    network: enqueues the network, for this graph alone, and adds its logits to the arrays. leaves: returns the input arrays by
    key. span: the time span of the newest run on the stream; reading an output blocks until its end. mapped: the GPU writes
    into host memory. captures: off runs all work eagerly.

    The first run executes eagerly and records which outputs the host requests. Later runs replay a graph that produces these
    outputs. Another request is served eagerly; a new graph is captured once two runs in a row were asked for the same, so that
    the frame after a reset, which has no past, costs no capture.
    """

    def __init__(
        self,
        network: EnqueueNetwork,
        leaves: Callable[[], ArraysByKey],
        stream: CudaStream,
        span: TimedSpan,
        *,
        mapped: bool,
        captures: bool = True,
    ) -> None:
        self._network, self._leaves, self._stream, self._span, self._mapped = network, leaves, stream, span, mapped
        self._requested: dict[Hashable, OutputRequest] = {}  # since the last start of a run
        self._requested_before: OutputRequests = {}  # in the run before that
        self._outputs: OutputRequests = {}  # the outputs of the captured graph
        self._pinned: dict[Hashable, PinnedArray] = {}
        self._arrays: ArraysByKey = {}
        self._graph: CudaGraph | None = None
        self._may_capture, self.captures = captures, 0

    def start(self) -> None:
        """Enqueue a run, without blocking; capture a new graph first if the requests have changed."""
        requested, self._requested = self._requested, {}
        is_steady = not self._graph or requested.keys() == self._requested_before.keys()
        self._requested_before = requested
        if is_steady and self._may_capture and requested.keys() != self._outputs.keys():
            self._capture(requested)
        self._span.begin(self._stream)
        if self._graph:
            self._graph.replay()
        else:
            self._arrays = self._enqueue_all({})
        self._span.end(self._stream)

    def copy_to_host(self, array: LazyArray) -> npt.NDArray[Any]:
        """Return a copy of an array of the newest run; blocks until the run is finished."""
        self._request(OutputRequest(array))
        self._synchronize()
        return self._pinned[array.key].array.copy()

    def retain(self, array: LazyArray, into: GpuArray) -> None:
        """Enqueue a copy of an array of the newest run into a persistent buffer, without blocking."""
        self._request(OutputRequest(array, into))

    def shape_and_dtype(self, array: LazyArray) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Return the shape and dtype of an array of the newest run."""
        there = array.evaluate(self._arrays_with_leaves())
        return tuple(there.shape), there.dtype

    def close(self) -> None:
        """Free the graph, what enqueues its network, and the pinned memory."""
        self._graph, self._arrays, self._network = None, {}, no_network
        with ExitStack() as all_of_it:
            for place in self._pinned.values():
                all_of_it.callback(place.close)
            self._pinned = {}

    def _request(self, request: OutputRequest) -> None:
        self._requested[request.key] = request
        if request.key not in self._outputs:
            self._allocate_pinned(request)
            self._enqueue_output(request, self._arrays_with_leaves())
            self._span.end(self._stream)

    def _arrays_with_leaves(self) -> ArraysByKey:
        """Return the arrays of this run, updated with leaves that are newer than it."""
        self._arrays.update(self._leaves())
        return self._arrays

    def _synchronize(self) -> None:
        self._span.ended.synchronize()

    def _capture(self, outputs: OutputRequests) -> None:
        self._graph, self._outputs, self._arrays = None, {}, {}
        # One run without capture: TensorRT initializes itself, and the pool obtains the memory that a capture cannot allocate.
        self._arrays = self._enqueue_all({})
        for request in outputs.values():
            self._allocate_pinned(request)
        self._arrays = {}
        self._enqueue_all(outputs)
        arrays: ArraysByKey = {}
        self._graph = CudaGraph(self._stream.handle, lambda: arrays.update(self._enqueue_all(outputs)))
        self._arrays, self._outputs = arrays, outputs
        self.captures += 1

    def _enqueue_all(self, outputs: OutputRequests) -> ArraysByKey:
        arrays = dict(self._leaves())
        self._network(arrays)
        for request in outputs.values():
            self._enqueue_output(request, arrays)
        return arrays

    def _allocate_pinned(self, request: OutputRequest) -> None:
        """Allocate pinned memory for a host output; must run before the stream is captured."""
        array = request.array
        if request.into is None and array.key not in self._pinned:
            shape, dtype = self.shape_and_dtype(array)
            self._pinned[array.key] = PinnedArray(shape, dtype, mapped=self._mapped)

    def _enqueue_output(self, request: OutputRequest, arrays: ArraysByKey) -> None:
        """Enqueue the computation or copy of an array into its requested memory."""
        array, there = request.array, request.into or self._mapped_output(request.array)
        if there and array.key not in arrays and _accepts_out(array):
            array.evaluate(arrays, out=there)
        elif request.into:
            launch("copy", request.into, array.evaluate(arrays), request.into.nbytes)
        else:
            to_host(self._pinned[array.key].array, pointer_of(array.evaluate(arrays)), self._stream)

    def _mapped_output(self, array: LazyArray) -> GpuArray | None:
        """Return the array's pinned memory as a GPU array; None where host memory is not mapped."""
        place = self._pinned[array.key]
        shape, dtype = place.array.shape, place.array.dtype
        return GpuArray(place.pointer, shape, dtype, self._stream.handle) if self._mapped else None


def _accepts_out(array: LazyArray) -> bool:
    """Return whether the kernel that computes an array has an `out` parameter."""
    return "out" in signature(array.make.reference).parameters if isinstance(array.make, Kernel) else False


def pointer_of(array: Any) -> int:
    """Return the address of a device array."""
    return int(array.__cuda_array_interface__["data"][0])


def nonfinite_flag(array: Any) -> DeviceArray:
    """Return a flag on the GPU, (1,) int32, that is nonzero if the array contains NaN or infinity; does not block."""
    flag = DeviceArray((1,), np.int32, stream_of(array))
    launch("has_nonfinite", array, int(np.prod(array.shape)), array.dtype.itemsize, flag)
    return flag


def no_network(arrays: ArraysByKey) -> None:
    """Enqueue nothing: used for outputs that are requested before the network runs."""
