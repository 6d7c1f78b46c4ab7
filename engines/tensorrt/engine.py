"""TensorRT: the engine of NVIDIA's GPUs (extra `tensorrt`). **Nothing here has met a GPU yet**: it is tested emulated.

A frame goes up as uint8 and comes down as labels; all between stays on the GPU, on one stream. Kernels that are called with
what `upload` and `infer` give are not run at once: see deferred.py. When the host asks for something (is it finite? the
labels), everything is on its way already, as one CUDA graph for each side of the state: see step.py.
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

MOST_STEPS = 8  # ways of running that are kept ready: two places of the frame, two sides of two states

LOGITS = ("logits",)  # the key of what the network gives


class TensorRtEngine:
    """Runs a TensorRT plan on the GPU; recurrent states swap between two sets of buffers, and each step is one graph.

    plan: as TensorRT serialises it. spec: what the network takes. mapped: the GPU reads frames and writes labels in host
    memory, without copies; None: where it shares that memory with the CPU (Jetson). Raises EngineError, ModelError.
    """

    name = "tensorrt"

    def __init__(self, plan: bytes, spec: ModelSpec, *, mapped: bool | None = None) -> None:
        self._gpu, self._open = Gpu(), ExitStack()
        self._steps: OrderedDict[Hashable, Step] = OrderedDict()
        self._step: Step | None = None  # of the newest frame
        self._place: Place | None = None
        self._ahead = Lock()  # of the thread that sends frames ahead
        try:
            with self._gpu.current():
                self._prepare(plan, spec, self._gpu.integrated if mapped is None else mapped)
        except RtsegError:
            self.close()
            raise

    def initial_state(self) -> SwapState:
        """The memory of nothing, in buffers of its own: all zeros."""
        with self._gpu.current():
            return SwapState(self._zeros(), self._zeros())

    def prefetch(self, image: Image) -> None:
        """Begin to bring up the frame that `upload` is given next, while the one before is worked on; from any thread.

        A GPU that fails here fails in `upload` too, which tells.
        """
        with self._ahead:  # or `close` would take the memory away meanwhile
            try:
                with self._gpu.current():
                    self._uploads.ahead(image)
            except EngineError as error:
                _log.debug("a frame was not sent ahead: %s", error)

    def upload(self, image: Image) -> Array:
        """Send the frame up, unless `prefetch` did; nothing waits for it."""
        with self._gpu.current():
            self._place = self._step = None
            self._place = self._uploads.take(image)
            return Deferred(self, self._place.key)

    def bring(self, name: str, values: npt.NDArray[np.float32]) -> Array:
        """Send numbers up that change with each frame: see Keeping. What is asked for before `infer` is a step of its own."""
        with self._gpu.current():
            self._step = None
            return Deferred(self, self._lasting.bring(name, values))

    def keep(self, name: str, array: Array) -> Array:
        """Keep an array of the newest frame for the next ones: see Keeping."""
        with self._gpu.current():
            step = self._newest()
            place = self._lasting.place(name, *step.described(array))
            step.keep(array, place.spare)
            place.side = 1 - place.side
            return Deferred(self, place.key)

    def infer(self, x: Array, state: SwapState) -> tuple[Array, SwapState]:
        """Put the whole step on the GPU and return at once: see Engine.infer. Raises EngineError."""
        with self._gpu.current():
            fed = x if isinstance(x, Deferred) else self._of_host(x)
            sides = tuple(tuple(array.pointer for array in side) for side in (state.now, state.spare))
            self._step = self._start((fed.key, *sides, self._lasting.sides), lambda known: self._run(fed, state, known))
            return Deferred(self, LOGITS), state.swapped()

    def download(self, labels: Array) -> Labels:
        """Bring what a kernel gave to the host; waits for it."""
        return self.on_host(labels) if isinstance(labels, Deferred) else np.asarray(labels)

    def device_ns(self) -> dict[str, int]:
        """By CUDA's events: "upload", the copy of the frame where one is made; "step", from its first kernel to the labels.

        See Timed. What the host asked for late, as on the first frames, is in "step", and so is how late it asked.
        """
        with self._gpu.current():
            copied = {"upload": self._place.upload.ns()} if self._place and not self._mapped else {}
            return copied | ({"step": self._span.ns()} if self._step else {})

    def close(self) -> None:
        """Give everything back, in the order that CUDA and TensorRT need; closing twice is harmless."""
        with self._ahead:
            things = self._open.pop_all()
            try:
                with self._gpu.current() if self._gpu.is_open else nullcontext():
                    things.close()
            except RtsegError as error:
                _log.warning("the GPU did not take everything back: %s", error)
            self._gpu.close()

    def called(self, kernel: Any, args: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
        """A kernel was called with an array of ours: see deferred.py. Its result has memory of its own, without `out`."""
        options = {name: value for name, value in options.items() if name != "out"}
        key = key_of(kernel.name, args, options)
        if kernel is kernels.has_nonfinite:
            return bool(self.on_host(Deferred(self, key, nonfinite_flag, args))[0])
        return Deferred(self, key, kernel, args, options)

    def described(self, array: Deferred) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """The shape and dtype of an array of the newest frame. Raises EngineError."""
        with self._gpu.current():
            return self._newest().described(array)

    def on_host(self, array: Deferred) -> npt.NDArray[Any]:
        """A copy of an array of the newest frame; waits for it. Raises EngineError."""
        with self._gpu.current():
            return self._newest().on_host(array)

    def _prepare(self, plan: bytes, spec: ModelSpec, mapped: bool) -> None:
        library()  # without kernels the first frame would fail, and nobody had been told
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
        self._open.callback(self._lasting.close)  # after _forget, which waits for what is on the stream
        self._open.callback(self._forget)

    def _start(self, key: Hashable, network: Network) -> Step:
        """Begin the step of this key, made now where there is none."""
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
        """The newest frame's step; one without the network where that has not run yet."""
        if self._step is None:
            key = ("frame alone", self._place and self._place.key, self._lasting.sides)
            self._step = self._start(key, _no_network)
        return self._step

    def _leaves(self) -> Known:
        return self._lasting.leaves() | {place.key: place.device for place in self._uploads.places}

    def _run(self, x: Deferred, state: SwapState, known: Known) -> None:
        """Put the network on the stream."""
        image = self._checked(x.worked_out(known))
        addresses = {self.spec.image_input: pointer_of(image), self.spec.logits_output: self._logits.pointer}
        for port, now, spare in zip(self.spec.states, state.now, state.spare, strict=True):
            addresses |= {port.input: now.pointer, port.output: spare.pointer}
        self._network.enqueue(addresses, self._stream.handle)
        known[LOGITS] = self._logits

    def _of_host(self, x: Array) -> Deferred:
        """An input that was made on the host, brought up."""
        return Deferred(self, self._lasting.bring("input", self._checked(x)))

    def _checked(self, x: Array) -> Array:
        wanted = (1, self.spec.channels, *self.spec.size)
        if tuple(x.shape) != wanted or x.dtype != np.float32:
            raise EngineError(f"{self.spec.name!r} takes a contiguous float32 {wanted}, not {x.dtype} {x.shape}: use fit_input")
        return x

    def _zeros(self) -> tuple[GpuArray, ...]:
        return tuple(self._memory.zeros(port.shape, np.float32, self._stream) for port in self.spec.states)

    def _forget(self) -> None:
        """Drop all steps: what they read or write is about to go."""
        self._step = None
        with ExitStack() as all_of_them:
            for step in self._steps.values():
                all_of_them.callback(step.close)
            self._steps.clear()
            all_of_them.callback(self._stream.synchronize)

    def _let_go(self) -> None:
        """Free what the kernels keep for this engine's stream."""
        pool().forget(self._stream.handle)
        self._place = None


def _no_network(known: Known) -> None:
    """For what is asked of a frame before its network ran."""
