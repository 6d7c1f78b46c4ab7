"""Runs networks with TensorRT on NVIDIA GPUs (extra `tensorrt`). **Untested on a real GPU so far**: its tests are emulated.

A frame is uploaded as uint8 and downloaded as labels; everything between stays on the GPU, on one stream. Kernels that are
called with the results of `upload` and `infer` do not run immediately (lazy_array.py). When the host reads an output, such as
the labels, the frame's whole work is already enqueued as one CUDA graph per state buffer (cuda_graph.py).
"""

import logging
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from contextlib import ExitStack, nullcontext
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg import kernels
from rtseg.engines.base import Array, ModelSpec, SwapState, check_ports, named
from rtseg.engines.tensorrt.buffers import Lasting, Place, Uploads
from rtseg.engines.tensorrt.cuda_graph import Network, Step, nonfinite_flag, pointer_of
from rtseg.engines.tensorrt.device import Gpu, GpuArray, Memory, Span
from rtseg.engines.tensorrt.lazy_array import Deferred, Known, key_of
from rtseg.engines.tensorrt.runtime import Network as Plan
from rtseg.errors import EngineError, RtsegError
from rtseg.frame import Image, Labels
from rtseg.kernels.runtime.cuda import library
from rtseg.kernels.runtime.device_array import pool

_log = logging.getLogger(__name__)

MOST_STEPS = 8  # captured graphs in the cache: two upload slots, two sides of two states

LOGITS = ("logits",)  # the key of the network's output


class TensorRtEngine:
    """Runs a TensorRT plan on the GPU; recurrent states swap between two sets of buffers, and each frame is one CUDA graph.

    plan: the serialized plan. spec: the network's description. mapped: the GPU reads frames and writes labels in host memory,
    without copies; None enables this where CPU and GPU share their memory (Jetson). Raises EngineError, ModelError.
    """

    name = "tensorrt"

    def __init__(self, plan: bytes, spec: ModelSpec, *, mapped: bool | None = None) -> None:
        self._gpu, self._open = Gpu(), ExitStack()
        self._steps: OrderedDict[Hashable, Step] = OrderedDict()
        self._step: Step | None = None  # the newest frame's
        self._place: Place | None = None
        self._ahead = Lock()  # held while a frame is prefetched, and by `close`
        try:
            with self._gpu.current():
                self._prepare(plan, spec, self._gpu.integrated if mapped is None else mapped)
        except RtsegError:
            self.close()
            raise

    def initial_state(self) -> SwapState:
        """Return a state of zeros in new buffers."""
        with self._gpu.current():
            return SwapState(self._zeros(), self._zeros())

    def prefetch(self, image: Image) -> None:
        """Start the upload of the next frame while the current one is processed; callable from any thread.

        A failure of the GPU is only logged here: `upload` then fails too, and raises.
        """
        with self._ahead:  # `close` must not free the memory meanwhile
            try:
                with self._gpu.current():
                    self._uploads.ahead(image)
            except EngineError as error:
                _log.debug("a frame was not sent ahead: %s", error)

    def upload(self, image: Image) -> Array:
        """Start the upload of the frame, unless it was prefetched; does not block."""
        with self._gpu.current():
            self._place = self._step = None
            self._place = self._uploads.take(image)
            return Deferred(self, self._place.key)

    def bring(self, name: str, values: npt.NDArray[np.float32]) -> Array:
        """Upload per-frame values, see `FrameBuffers`; outputs that are requested before `infer` run as a separate graph."""
        with self._gpu.current():
            self._step = None
            return Deferred(self, self._lasting.bring(name, values))

    def keep(self, name: str, array: Array) -> Array:
        """Retain an array of the newest frame for later ones, see `FrameBuffers`."""
        with self._gpu.current():
            step = self._newest()
            place = self._lasting.place(name, *step.described(array))
            step.keep(array, place.spare)
            place.side = 1 - place.side
            return Deferred(self, place.key)

    def infer(self, x: Array, state: SwapState) -> tuple[Array, SwapState]:
        """Enqueue the frame's whole work without blocking, see `Engine.infer`. Raises EngineError."""
        with self._gpu.current():
            fed = x if isinstance(x, Deferred) else self._of_host(x)
            sides = tuple(tuple(array.pointer for array in side) for side in (state.now, state.spare))
            self._step = self._start((fed.key, *sides, self._lasting.sides), lambda known: self._run(fed, state, known))
            return Deferred(self, LOGITS), state.swapped()

    def download(self, labels: Array) -> Labels:
        """Copy a kernel's result to the host; blocks until it is computed."""
        return self.on_host(labels) if isinstance(labels, Deferred) else np.asarray(labels)

    def device_ns(self) -> dict[str, int]:
        """Return CUDA event times: "upload" for the copy of the frame, if any, and "step" from the first kernel to the labels.

        See `DeviceTimer`. On the first frames, "step" includes outputs requested late and the delay until their request.
        """
        with self._gpu.current():
            copied = {"upload": self._place.upload.ns()} if self._place and not self._mapped else {}
            return copied | ({"step": self._span.ns()} if self._step else {})

    def close(self) -> None:
        """Release all resources in the order that CUDA and TensorRT require; closing twice is harmless."""
        with self._ahead:
            things = self._open.pop_all()
            try:
                with self._gpu.current() if self._gpu.is_open else nullcontext():
                    things.close()
            except RtsegError as error:
                _log.warning("the GPU did not take everything back: %s", error)
            self._gpu.close()

    def called(self, kernel: Any, args: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
        """Defer a kernel call on a `LazyArray`; the result has its own memory, and `out` is ignored."""
        options = {name: value for name, value in options.items() if name != "out"}
        key = key_of(kernel.name, args, options)
        if kernel is kernels.has_nonfinite:
            return bool(self.on_host(Deferred(self, key, nonfinite_flag, args))[0])
        return Deferred(self, key, kernel, args, options)

    def described(self, array: Deferred) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Return the shape and dtype of an array of the newest frame. Raises EngineError."""
        with self._gpu.current():
            return self._newest().described(array)

    def on_host(self, array: Deferred) -> npt.NDArray[Any]:
        """Return a host copy of an array of the newest frame; blocks until it is computed. Raises EngineError."""
        with self._gpu.current():
            return self._newest().on_host(array)

    def _prepare(self, plan: bytes, spec: ModelSpec, mapped: bool) -> None:
        library()  # raises here if the kernels are missing, not at the first frame
        self._mapped, self._stream, self._span = mapped, self._gpu.stream(), Span(self._gpu)
        self._open.callback(self._let_go)
        self._memory = Memory(self._stream.handle)
        self._open.callback(self._memory.close)
        self._network = Plan(plan, repr(spec.name))
        self._open.callback(self._network.close)
        self.spec = named(spec, self._network.inputs, self._network.outputs)
        check_ports(self.spec, self._network.inputs, self._network.outputs)
        self._logits = self._memory.array(self._network.outputs[self.spec.logits_output], np.float32)
        self._uploads = Uploads(self._gpu, self._memory, self._stream, self._forget, mapped=mapped)
        self._open.callback(self._uploads.close)
        self._lasting = Lasting(self._gpu, self._memory, self._stream)
        self._open.callback(self._lasting.close)  # runs after _drop_graphs, which synchronizes the stream
        self._open.callback(self._forget)

    def _start(self, key: Hashable, network: Network) -> Step:
        """Start a run of the graph with this key, which is created on first use."""
        if key not in self._steps:
            self._steps[key] = Step(network, self._leaves, self._stream, self._span, mapped=self._mapped)
        self._steps.move_to_end(key)
        if len(self._steps) > MOST_STEPS:
            self._stream.synchronize()
            self._steps.popitem(last=False)[1].close()
        if self._place:
            self._uploads.await_upload(self._place)
        self._steps[key].start()
        if self._place:
            self._uploads.read(self._place)
        return self._steps[key]

    def _newest(self) -> Step:
        """Return the newest frame's graph; before `infer`, a graph without the network."""
        if self._step is None:
            key = ("frame alone", self._place and self._place.key, self._lasting.sides)
            self._step = self._start(key, _no_network)
        return self._step

    def _leaves(self) -> Known:
        return self._lasting.leaves() | {place.key: place.device for place in self._uploads.places}

    def _run(self, x: Deferred, state: SwapState, known: Known) -> None:
        """Enqueue the network on the stream, and add its logits to the arrays."""
        image = self._checked(x.worked_out(known))
        addresses = {self.spec.image_input: pointer_of(image), self.spec.logits_output: self._logits.pointer}
        for port, now, spare in zip(self.spec.states, state.now, state.spare, strict=True):
            addresses |= {port.input: now.pointer, port.output: spare.pointer}
        self._network.enqueue(addresses, self._stream.handle)
        known[LOGITS] = self._logits

    def _of_host(self, x: Array) -> Deferred:
        """Upload a network input that was computed on the host."""
        return Deferred(self, self._lasting.bring("input", self._checked(x)))

    def _checked(self, x: Array) -> Array:
        wanted = (1, self.spec.channels, *self.spec.size)
        if tuple(x.shape) != wanted or x.dtype != np.float32:
            raise EngineError(f"{self.spec.name!r} takes a contiguous float32 {wanted}, not {x.dtype} {x.shape}: use fit_input")
        return x

    def _zeros(self) -> tuple[GpuArray, ...]:
        return tuple(self._memory.zeros(port.shape, np.float32, self._stream) for port in self.spec.states)

    def _forget(self) -> None:
        """Close all graphs, before the buffers that they read or write are freed."""
        self._step = None
        with ExitStack() as all_of_them:
            for step in self._steps.values():
                all_of_them.callback(step.close)
            self._steps.clear()
            all_of_them.callback(self._stream.synchronize)

    def _let_go(self) -> None:
        """Free the kernels' pooled memory of this engine's stream."""
        pool().forget(self._stream.handle)
        self._place = None


def _no_network(known: Known) -> None:
    """Enqueue nothing: used for outputs that are requested before the network runs."""
