"""Keeps the graphs of a stream's frames: one for each upload slot, letterbox and side of the buffers."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import ExitStack

from rtseg.engines.tensorrt.cuda_graph import EnqueueNetwork, FrameGraph
from rtseg.engines.tensorrt.device import CudaStream

MAX_GRAPHS = 8  # two upload slots, two sides of two states


class GraphCache:
    """Holds the graphs that were used last. make: makes a graph of what enqueues its network."""

    def __init__(self, make: Callable[[EnqueueNetwork], FrameGraph], stream: CudaStream) -> None:
        self._make, self._stream = make, stream
        self._graphs: OrderedDict[Hashable, FrameGraph] = OrderedDict()
        self._earlier_captures = 0  # of graphs that are gone

    def __contains__(self, key: Hashable) -> bool:
        return key in self._graphs

    def __len__(self) -> int:
        return len(self._graphs)

    @property
    def captures(self) -> int:
        """Return how many graphs were captured so far."""
        return self._earlier_captures + sum(graph.captures for graph in self._graphs.values())

    def of(self, key: Hashable, make_network: Callable[[], EnqueueNetwork]) -> FrameGraph:
        """Return the graph of a key, made on first use; the one that was not used for longest goes for it."""
        if key not in self._graphs:
            self._graphs[key] = self._make(make_network())
        self._graphs.move_to_end(key)
        if len(self._graphs) > MAX_GRAPHS:
            self._stream.synchronize()
            oldest = self._graphs.popitem(last=False)[1]
            self._earlier_captures += oldest.captures
            oldest.close()
        return self._graphs[key]

    def close(self) -> None:
        """Close all graphs, once the stream is through with them."""
        self._earlier_captures = self.captures
        with ExitStack() as all_of_them:
            for graph in self._graphs.values():
                all_of_them.callback(graph.close)
            self._graphs.clear()
            all_of_them.callback(self._stream.synchronize)
