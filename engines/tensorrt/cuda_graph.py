"""Captures one frame's GPU work, from the uploaded frame to the requested outputs, as a CUDA graph and replays it."""

from collections.abc import Callable, Hashable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.engines.tensorrt.device import GpuArray, Pinned, Span, Stream, to_host
from rtseg.engines.tensorrt.lazy_array import Deferred, Known
from rtseg.kernels.runtime.cuda import launch, stream_of
from rtseg.kernels.runtime.device_array import DeviceArray, Graph
from rtseg.kernels.runtime.registry import Kernel

Network = Callable[[Known], None]  # enqueues the network on the stream, and adds its outputs to the arrays


@dataclass(frozen=True, slots=True)
class Wish:
    """Requests an array of a frame as an output of its graph."""

    array: Deferred
    """The requested array."""
    into: GpuArray | None = None
    """The GPU buffer to write; None for host memory."""

    @property
    def key(self) -> Hashable:
        """Return the key that identifies the request."""
        return (self.array.key, self.into and self.into.pointer)


Wishes = Mapping[Hashable, Wish]


class Step:
    """Runs one frame's GPU work as a CUDA graph; there is one graph per (upload slot, letterbox, state buffers).

    network: enqueues the network, and adds its logits to the arrays. leaves: returns the input arrays by key. span: the time
    span of the newest run on the stream; reading an output blocks until its end. mapped: the GPU writes into host memory.

    The first run executes eagerly and records which outputs the host requests. Later runs replay a graph that produces these
    outputs. Another request is served eagerly, and the next run captures a new graph.
    """

    def __init__(self, network: Network, leaves: Callable[[], Known], stream: Stream, span: Span, *, mapped: bool) -> None:
        self._network, self._leaves, self._stream, self._span, self._mapped = network, leaves, stream, span, mapped
        self._asked: dict[Hashable, Wish] = {}  # since the last start of a run
        self._outputs: Wishes = {}  # the outputs of the captured graph
        self._pinned: dict[Hashable, Pinned] = {}
        self._known: Known = {}
        self._graph: Graph | None = None
        self.captures = 0

    def start(self) -> None:
        """Enqueue a run, without blocking; capture a new graph first if the requests have changed."""
        asked, self._asked = self._asked, {}
        if asked.keys() != self._outputs.keys():
            self._capture(asked)
        self._span.begin(self._stream)
        if self._graph:
            self._graph.replay()
        else:
            self._known = self._work({})
        self._span.end(self._stream)

    def on_host(self, array: Deferred) -> npt.NDArray[Any]:
        """Return a copy of an array of the newest run; blocks until the run is finished."""
        self._ask(Wish(array))
        self._wait()
        return self._pinned[array.key].array.copy()

    def keep(self, array: Deferred, into: GpuArray) -> None:
        """Enqueue a copy of an array of the newest run into a persistent buffer, without blocking."""
        self._ask(Wish(array, into))

    def described(self, array: Deferred) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Return the shape and dtype of an array of the newest run."""
        there = array.worked_out(self._all_known())
        return tuple(there.shape), there.dtype

    def close(self) -> None:
        """Free the graph and the pinned memory."""
        self._graph, self._known = None, {}
        with ExitStack() as all_of_it:
            for place in self._pinned.values():
                all_of_it.callback(place.close)
            self._pinned = {}

    def _ask(self, wish: Wish) -> None:
        self._asked[wish.key] = wish
        if wish.key not in self._outputs:
            self._room_for(wish)
            self._fulfil(wish, self._all_known())
            self._span.end(self._stream)

    def _all_known(self) -> Known:
        """Return the arrays of this run, updated with leaves that are newer than it."""
        self._known.update(self._leaves())
        return self._known

    def _wait(self) -> None:
        self._span.ended.synchronize()

    def _capture(self, outputs: Wishes) -> None:
        self._graph, self._outputs, self._known = None, {}, {}
        # One run without capture: TensorRT initializes itself, and the pool obtains the memory that a capture cannot allocate.
        self._known = self._work({})
        for wish in outputs.values():
            self._room_for(wish)
        self._known = {}
        self._work(outputs)
        known: Known = {}
        self._graph = Graph(self._stream.handle, lambda: known.update(self._work(outputs)))
        self._known, self._outputs = known, outputs
        self.captures += 1

    def _work(self, outputs: Wishes) -> Known:
        known = dict(self._leaves())
        self._network(known)
        for wish in outputs.values():
            self._fulfil(wish, known)
        return known

    def _room_for(self, wish: Wish) -> None:
        """Allocate pinned memory for a host output; must run before the stream is captured."""
        array = wish.array
        if wish.into is None and array.key not in self._pinned:
            shape, dtype = self.described(array)
            self._pinned[array.key] = Pinned(shape, dtype, mapped=self._mapped)

    def _fulfil(self, wish: Wish, known: Known) -> None:
        """Enqueue the computation or copy of an array into its requested memory."""
        array, there = wish.array, wish.into or self._mapped_place(wish.array)
        if there and array.key not in known and _takes_out(array):
            array.worked_out(known, out=there)
        elif wish.into:
            launch("copy", wish.into, array.worked_out(known), wish.into.nbytes)
        else:
            to_host(self._pinned[array.key].array, pointer_of(array.worked_out(known)), self._stream)

    def _mapped_place(self, array: Deferred) -> GpuArray | None:
        """Return the array's pinned memory as a GPU array; None where host memory is not mapped."""
        place = self._pinned[array.key]
        shape, dtype = place.array.shape, place.array.dtype
        return GpuArray(place.pointer, shape, dtype, self._stream.handle) if self._mapped else None


def _takes_out(array: Deferred) -> bool:
    """Return whether the kernel that computes an array has an `out` parameter."""
    return "out" in signature(array.make.truth).parameters if isinstance(array.make, Kernel) else False


def pointer_of(array: Any) -> int:
    """Return the address of a device array."""
    return int(array.__cuda_array_interface__["data"][0])


def nonfinite_flag(array: Any) -> DeviceArray:
    """Return a flag on the GPU, (1,) int32, that is nonzero if the array contains NaN or infinity; does not block."""
    flag = DeviceArray((1,), np.int32, stream_of(array))
    launch("has_nonfinite", array, int(np.prod(array.shape)), array.dtype.itemsize, flag)
    return flag
