"""One step of a network on a GPU, from the frame to what the host asks for: captured once as a CUDA graph, then replayed."""

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

Network = Callable[[Known], None]  # puts the network on the stream, after what it reads is known


@dataclass(frozen=True, slots=True)
class Wish:
    """An array that is wanted beyond its step. into: where on the GPU; None: on the host."""

    array: Deferred
    into: GpuArray | None = None

    @property
    def key(self) -> Hashable:
        """What tells one wish from another."""
        return (self.array.key, self.into and self.into.pointer)


Wishes = Mapping[Hashable, Wish]


class Step:
    """What the stream does for one place of the frame, one fit and one side of the state.

    network: runs it, and adds its answer to what is known. leaves: tells the arrays that everything is made of. span: of
    the newest run on the stream, whose end all that is asked for waits for. mapped: the GPU writes into host memory by itself.

    A first run works out each thing when it is asked for. From the second on, one graph does it all: the answers that the run
    before was asked for lie in pinned memory when its end is reached, and what it was asked to keep is kept. Who asks for
    something else than before gets it, and the next run captures again.
    """

    def __init__(self, network: Network, leaves: Callable[[], Known], stream: Stream, span: Span, *, mapped: bool) -> None:
        self._network, self._leaves, self._stream, self._span, self._mapped = network, leaves, stream, span, mapped
        self._asked: dict[Hashable, Wish] = {}  # since the last start
        self._outputs: Wishes = {}  # what the graph fulfils
        self._pinned: dict[Hashable, Pinned] = {}
        self._known: Known = {}
        self._graph: Graph | None = None
        self.captures = 0

    def start(self) -> None:
        """Put a run on the stream and return at once."""
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
        """A copy of an array of the newest run; waits for it."""
        self._ask(Wish(array))
        self._wait()
        return self._pinned[array.key].array.copy()

    def keep(self, array: Deferred, into: GpuArray) -> None:
        """Put an array of the newest run into memory that outlives it; nothing waits for that."""
        self._ask(Wish(array, into))

    def described(self, array: Deferred) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """The shape and dtype of an array of the newest run."""
        there = array.worked_out(self._all_known())
        return tuple(there.shape), there.dtype

    def close(self) -> None:
        """Give back the graph and the pinned memory."""
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
        """With the leaves that are newer than this run."""
        self._known.update(self._leaves())
        return self._known

    def _wait(self) -> None:
        self._span.ended.synchronize()

    def _capture(self, outputs: Wishes) -> None:
        self._graph, self._outputs, self._known = None, {}, {}
        # Once outside: TensorRT makes ready what it needs, and the pool then has all the memory that a graph may not ask for.
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
        """Pinned memory for an array that the host wants, made before the stream is captured."""
        array = wish.array
        if wish.into is None and array.key not in self._pinned:
            shape, dtype = self.described(array)
            self._pinned[array.key] = Pinned(shape, dtype, mapped=self._mapped)

    def _fulfil(self, wish: Wish, known: Known) -> None:
        """Put the array's way to where it is wanted on the stream."""
        array, there = wish.array, wish.into or self._mapped_place(wish.array)
        if there and array.key not in known and _takes_out(array):
            array.worked_out(known, out=there)
        elif wish.into:
            launch("copy", wish.into, array.worked_out(known), wish.into.nbytes)
        else:
            to_host(self._pinned[array.key].array, pointer_of(array.worked_out(known)), self._stream)

    def _mapped_place(self, array: Deferred) -> GpuArray | None:
        """The array's pinned memory as the GPU sees it, where it does."""
        place = self._pinned[array.key]
        shape, dtype = place.array.shape, place.array.dtype
        return GpuArray(place.pointer, shape, dtype, self._stream.handle) if self._mapped else None


def _takes_out(array: Deferred) -> bool:
    """Whether the kernel that makes an array can be told where."""
    return "out" in signature(array.make.truth).parameters if isinstance(array.make, Kernel) else False


def pointer_of(array: Any) -> int:
    """Where a device array begins."""
    return int(array.__cuda_array_interface__["data"][0])


def nonfinite_flag(array: Any) -> DeviceArray:
    """Whether an array holds NaN or infinity, as an integer on the GPU: (1,) int32, so that nobody waits for it."""
    flag = DeviceArray((1,), np.int32, stream_of(array))
    launch("has_nonfinite", array, int(np.prod(array.shape)), array.dtype.itemsize, flag)
    return flag
