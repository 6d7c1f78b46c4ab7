"""Runs networks with TensorRT on NVIDIA GPUs (extra `tensorrt`). **Untested on a real GPU so far**: its tests are emulated.

A frame is uploaded as uint8 and downloaded as labels; everything between stays on the GPU, on one stream. Kernels that are
called with the results of `upload` and `infer` do not run immediately (lazy_array.py). When the host reads an output, such as
the labels, the frame's whole work is already enqueued as one CUDA graph per state buffer (cuda_graph.py).
"""

from collections.abc import Callable, Hashable, Mapping
from contextlib import ExitStack, nullcontext
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg import kernels
from rtseg.engines.base import Array, Floats, ModelSpec, check_ports, check_write, complete_spec
from rtseg.engines.tensorrt.buffers import PersistentBuffers, UploadRing, UploadSlot, copy_to_device
from rtseg.engines.tensorrt.cuda_graph import EnqueueNetwork, FrameGraph, no_network, nonfinite_flag, pointer_of
from rtseg.engines.tensorrt.device import DeviceMemory, Gpu, TimedSpan
from rtseg.engines.tensorrt.graph_cache import GraphCache
from rtseg.engines.tensorrt.lazy_array import ArraysByKey, LazyArray, call_key
from rtseg.engines.tensorrt.runtime import LoadedPlan
from rtseg.engines.tensorrt.state_buffers import GpuState, StateBuffers
from rtseg.errors import EngineError, RtsegError
from rtseg.frame import Image, Labels
from rtseg.kernels.runtime.cuda import library
from rtseg.kernels.runtime.device_array import pool
from rtseg.text.log_records import get_logger

_log = get_logger(__name__)

LOGITS = ("logits",)  # the key of the network's output


class TensorRtEngine:
    """Runs a TensorRT plan on the GPU; recurrent states swap between two sets of buffers, and each frame is one CUDA graph.

    plan: the serialized plan. spec: the network's description. mapped: the GPU reads frames and writes labels in host memory,
    without copies; None enables this where CPU and GPU share their memory (Jetson). graphs: off runs each frame's work
    without a CUDA graph, to compare. Raises EngineError, ModelError.
    """

    name = "tensorrt"
    warm_up_frames = 8  # two upload slots, with each: a first frame, the first with a past, and the capture

    def __init__(self, plan: bytes, spec: ModelSpec, *, mapped: bool | None = None, graphs: bool = True) -> None:
        self._gpu, self._open = Gpu(), ExitStack()
        self._graph: FrameGraph | None = None  # the newest frame's
        self._slot: UploadSlot | None = None
        self._prefetch_lock = Lock()  # held while a frame is prefetched, and by `close`
        try:
            with self._gpu.current():
                self._prepare(plan, spec, self.is_integrated if mapped is None else mapped, graphs)
        except BaseException:  # whatever it is, the GPU must not keep what was opened
            self.close()
            raise

    @property
    def captures(self) -> int:
        """Return how many graphs were captured so far."""
        return self._graphs.captures

    @property
    def is_integrated(self) -> bool:
        """Return whether CPU and GPU share their memory (Jetson)."""
        return self._gpu.integrated

    def initial_state(self) -> GpuState:
        """Return a state of zeros in buffers that no other state is in, see `StateBuffers`."""
        with self._gpu.current():
            return self._states.zeros()

    def prefetch(self, image: Image) -> None:
        """Start the upload of the next frame while the current one is processed; callable from any thread.

        A failure of the GPU is only logged here: `upload` then fails too, and raises.
        """
        with self._prefetch_lock:  # `close` must not free the memory meanwhile
            try:
                with self._gpu.current():
                    self._uploads.prefetch(image)
            except EngineError as error:
                _log.debug("a frame was not sent ahead: %s", error)

    def upload(self, image: Image) -> Array:
        """Start the upload of the frame, unless it was prefetched; does not block."""
        with self._gpu.current():
            self._slot = self._graph = None
            self._slot = self._uploads.take(image)
            return LazyArray(self, self._slot.key)

    def upload_values(self, name: str, values: npt.NDArray[np.float32]) -> Array:
        """Upload per-frame values, see `FrameBuffers`; outputs that are requested before `infer` run as a separate graph."""
        with self._gpu.current():
            self._graph = None
            return LazyArray(self, self._persistent.upload_values(name, values))

    def retain(self, name: str, array: Array) -> Array:
        """Retain an array of the newest frame for later ones, see `FrameBuffers`."""
        with self._gpu.current():
            graph = self._newest_graph()
            buffer = self._persistent.double_buffer(name, *graph.shape_and_dtype(array))
            graph.retain(array, buffer.spare)
            buffer.side = 1 - buffer.side
            return LazyArray(self, buffer.key)

    def infer(self, x: Array, state: GpuState) -> tuple[Array, GpuState]:
        """Enqueue the frame's whole work without blocking, see `Engine.infer`. Raises EngineError."""
        with self._gpu.current():
            fed = x if isinstance(x, LazyArray) else self._from_host(x)
            self._choose_side(fed, state)
            self._graph = self._start_graph(self._key(fed, state), lambda: self._network_run(fed, state))
            state.is_zero = False
            return LazyArray(self, LOGITS), state.swapped()

    def write(self, state: GpuState, name: str, values: Floats) -> GpuState:
        """Write values into a state in place, behind the work enqueued so far, see `Engine.write`; blocks until it is done.

        The addresses stay, so that no graph is captured anew. Raises ConfigError, EngineError.
        """
        place, checked = check_write(self.spec, name, values)
        with self._gpu.current():
            copy_to_device(state.now[place], checked, self._stream)
        state.is_zero = False
        return state

    def download(self, labels: Array) -> Labels:
        """Copy a kernel's result to the host; blocks until it is computed."""
        return self.copy_to_host(labels) if isinstance(labels, LazyArray) else np.asarray(labels)

    def device_ns(self) -> dict[str, int]:
        """Return CUDA event times: "upload" for the copy of the frame, if any, and "step" from the first kernel to the labels.

        See `DeviceTimer`. On the first frames, "step" includes outputs requested late and the delay until their request.
        """
        with self._gpu.current():
            copied = {"upload": self._slot.upload.ns()} if self._slot and not self._mapped else {}
            return copied | ({"step": self._span.ns()} if self._graph else {})

    def close(self) -> None:
        """Release all resources in the order that CUDA and TensorRT require; closing twice is harmless."""
        with self._prefetch_lock:
            things = self._open.pop_all()
            try:
                with self._gpu.current() if self._gpu.is_open else nullcontext():
                    things.close()
            except RtsegError as error:
                _log.warning("the GPU did not take everything back: %s", error)
            self._gpu.close()

    def call_kernel(self, kernel: Any, args: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
        """Defer a kernel call on a `LazyArray`; the result has its own memory, and `out` is ignored."""
        options = {name: value for name, value in options.items() if name != "out"}
        key = call_key(kernel.name, args, options)
        if kernel is kernels.has_nonfinite:
            return bool(self.copy_to_host(LazyArray(self, key, nonfinite_flag, args))[0])
        return LazyArray(self, key, kernel, args, options)

    def shape_and_dtype(self, array: LazyArray) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Return the shape and dtype of an array of the newest frame. Raises EngineError."""
        with self._gpu.current():
            return self._newest_graph().shape_and_dtype(array)

    def copy_to_host(self, array: LazyArray) -> npt.NDArray[Any]:
        """Return a host copy of an array of the newest frame; blocks until it is computed. Raises EngineError."""
        with self._gpu.current():
            return self._newest_graph().copy_to_host(array)

    def _prepare(self, plan: bytes, spec: ModelSpec, mapped: bool, graphs: bool) -> None:
        library()  # raises here if the kernels are missing, not at the first frame
        self._mapped, self._stream, self._span = mapped, self._gpu.stream(), TimedSpan(self._gpu)
        self._open.callback(self._release_stream)
        self._memory = DeviceMemory(self._stream.handle)
        self._open.callback(self._memory.close)
        self._network = LoadedPlan(plan, repr(spec.name), self._memory)
        self._open.callback(self._network.close)
        self.spec = complete_spec(spec, self._network.inputs, self._network.outputs)
        check_ports(self.spec, self._network.inputs, self._network.outputs)
        self._logits = self._memory.array(self._network.outputs[self.spec.logits_output], np.float32)
        self._states = StateBuffers(self._memory, self.spec.states, self._stream)
        self._uploads = UploadRing(self._gpu, self._memory, self._stream, self._drop_graphs, mapped=mapped)
        self._open.callback(self._uploads.close)
        self._persistent = PersistentBuffers(self._gpu, self._memory, self._stream)
        self._graphs = GraphCache(
            lambda network: FrameGraph(network, self._leaves, self._stream, self._span, mapped=mapped, captures=graphs),
            self._stream,
        )
        self._open.callback(self._persistent.close)  # runs after _drop_graphs, which synchronizes the stream
        self._open.callback(self._drop_graphs)

    def _start_graph(self, key: Hashable, make_network: Callable[[], EnqueueNetwork]) -> FrameGraph:
        """Start a run of the graph with this key, which is created on first use."""
        graph = self._graphs.of(key, make_network)
        if self._slot:
            self._uploads.await_upload(self._slot)
        graph.start()
        if self._slot:
            self._uploads.mark_read(self._slot)
        return graph

    def _newest_graph(self) -> FrameGraph:
        """Return the newest frame's graph; before `infer`, a graph without the network."""
        if self._graph is None:
            key = ("frame alone", self._slot and self._slot.key, self._persistent.sides)
            self._graph = self._start_graph(key, lambda: no_network)
        return self._graph

    def _leaves(self) -> ArraysByKey:
        return self._persistent.leaves() | {slot.key: slot.device for slot in self._uploads.slots}

    def _key(self, x: LazyArray, state: GpuState) -> Hashable:
        """Return the key of the graph that runs the network on an input and a state."""
        return (x.key, *state.sides, self._persistent.sides)

    def _choose_side(self, x: LazyArray, state: GpuState) -> None:
        """Let a state of zeros begin with the side for which there is a graph."""
        if state.is_zero and self._key(x, state) not in self._graphs:
            state.exchange()
            if self._key(x, state) not in self._graphs:
                state.exchange()

    def _addresses(self, state: GpuState) -> dict[str, int]:
        """Return the addresses of the logits and the states; a graph holds no array, which would keep the state alive."""
        addresses = {self.spec.logits_output: self._logits.pointer}
        for port, now, spare in zip(self.spec.states, *state.sides, strict=True):
            addresses[port.input] = now
            if port.output:
                addresses[port.output] = spare
        return addresses

    def _network_run(self, x: LazyArray, state: GpuState) -> EnqueueNetwork:
        """Return a function that enqueues the network on the stream, in a context of its own, and adds its logits."""
        addresses, context = self._addresses(state), self._network.new_context()

        def run(arrays: ArraysByKey) -> None:
            image = self._checked(x.evaluate(arrays))
            context.enqueue({self.spec.image_input: pointer_of(image), **addresses}, self._stream.handle)
            arrays[LOGITS] = self._logits

        return run

    def _from_host(self, x: Array) -> LazyArray:
        """Upload a network input that was computed on the host."""
        return LazyArray(self, self._persistent.upload_values("input", self._checked(x)))

    def _checked(self, x: Array) -> Array:
        wanted = (1, self.spec.channels, *self.spec.size)
        if tuple(x.shape) != wanted or x.dtype != np.float32:
            raise EngineError(f"{self.spec.name!r} takes a contiguous float32 {wanted}, not {x.dtype} {x.shape}: use fit_input")
        return x

    def _drop_graphs(self) -> None:
        """Close all graphs, before the buffers that they read or write are freed."""
        self._graph = None
        self._graphs.close()

    def _release_stream(self) -> None:
        """Free the kernels' pooled memory of this engine's stream."""
        pool().free_stream(self._stream.handle)
        self._slot = None
