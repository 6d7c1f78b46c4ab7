"""Runs networks with OpenVINO, the default engine on the CPU."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np

from rtseg.engines.base import Array, Floats, ModelSpec, SwapState, check_dtypes, check_ports, check_write, complete_spec
from rtseg.engines.openvino_runtime import FrontEndManager, ov
from rtseg.engines.validation.weight_check import check_weights
from rtseg.errors import EngineError, ModelError
from rtseg.frame import Image, Labels
from rtseg.system.machine import available_cores
from rtseg.system.processor import has_exact_int8

_requests_at_once = ContextVar("rtseg_requests_at_once", default=1)


class OpenVinoEngine:
    """Runs an ONNX file on the CPU; recurrent states swap between two sets of buffers.

    path: the model. spec: the network's description, for a file without rtseg's metadata. threads: 0 lets OpenVINO choose.
    bfloat16: run FP32 layers in bfloat16, on a processor that supports it. model: the network, if it was read and examined
    already. Raises ModelError, EngineError.
    """

    name = "openvino"

    def __init__(
        self,
        path: Path,
        spec: ModelSpec | None = None,
        *,
        threads: int = 0,
        bfloat16: bool = False,
        model: Any = None,
    ) -> None:
        if model is None or spec is None:
            from rtseg.engines.adopt.open_network import examine_plain

            found = examine_plain(path, spec)
            spec, model = found.spec, found.graph.model
        inputs, outputs = _ports(model.inputs, path), _ports(model.outputs, path)
        self.spec = complete_spec(spec, inputs, outputs)
        check_dtypes(self.spec, _dtypes([*model.inputs, *model.outputs]))
        check_ports(self.spec, inputs, outputs)
        self._compiled: Any = compile_network(model, path, threads, bfloat16=bfloat16)
        self._logits = np.zeros(outputs[self.spec.logits_output], np.float32)
        self._create_request()

    def _create_request(self) -> None:
        self._request: Any = self._compiled.create_infer_request()
        self._request.set_tensor(self.spec.logits_output, _shared(self._logits))

    def share(self) -> "OpenVinoEngine":
        """Return an engine on the same compiled network with a request of its own, see `Shareable`. Raises EngineError."""
        if self._compiled is None:
            raise EngineError(f"the engine of {self.spec.name!r} is closed: load it again")
        other = copy(self)
        other._logits = np.zeros_like(self._logits)
        other._create_request()
        return other

    def initial_state(self) -> SwapState:
        """Return a state of zeros in new buffers."""
        return SwapState.of(self.spec.states, _zeros)

    def upload(self, image: Image) -> Array:
        """Return the image unchanged: it is on the CPU already."""
        return image

    def infer(self, x: Array, state: SwapState) -> tuple[Array, SwapState]:
        """Run the network, see `Engine.infer`. Raises EngineError."""
        if self._request is None:
            raise EngineError(f"the engine of {self.spec.name!r} is closed: load it again")
        try:
            self._bind(x, state)
            self._request.infer()
        except RuntimeError as error:
            raise EngineError(f"OpenVINO failed on {self.spec.name!r}: {_reason(error)}; try --engine onnx") from error
        return self._logits, state.swapped()

    def download(self, labels: Array) -> Labels:
        """Return the labels unchanged: they are on the CPU already."""
        return np.asarray(labels)

    def write(self, state: SwapState, name: str, values: Floats) -> SwapState:
        """Write values into a state in place, see `Engine.write`. Raises ConfigError."""
        place, checked = check_write(self.spec, name, values)
        np.copyto(state.now[place].data, checked)
        return state

    def close(self) -> None:
        """Release the network; closing twice is harmless."""
        self._request = self._compiled = None

    def _bind(self, x: Array, state: SwapState) -> None:
        self._request.set_tensor(self.spec.image_input, _shared(x))
        for port, now, spare in zip(self.spec.states, state.now, state.spare, strict=True):
            self._request.set_tensor(port.input, now)
            if port.output:
                self._request.set_tensor(port.output, spare)


def _zeros(shape: tuple[int, ...]) -> ov.Tensor:
    return _shared(np.zeros(shape, np.float32))


def _shared(array: Array) -> ov.Tensor:
    return ov.Tensor(array, shared_memory=True)


def read_network(path: Path) -> Any:
    """Read an ONNX file into an OpenVINO model, after a check of its weights. Raises ModelError."""
    check_weights(path)
    return _convert(path)


def _convert(path: Path) -> Any:
    # Core.read_model tries every frontend, and some of them print messages about a broken file.
    reader = FrontEndManager().load_by_framework("onnx")
    try:
        return reader.convert(reader.load(str(path)))
    except Exception as error:  # the frontend's exceptions share no other base class
        raise ModelError(f"{path} is no ONNX model that OpenVINO can read ({_reason(error)}): export it again") from error


def compile_network(model: Any, path: Path, threads: int, *, profiled: bool = False, bfloat16: bool = False) -> Any:
    """Compile an OpenVINO model for the CPU with the options of every engine here; `path` is named in errors.

    Raises ModelError, and EngineError for bfloat16 on a processor without it.
    """
    core = ov.Core()
    if bfloat16 and not has_bfloat16():
        raise EngineError("this processor computes nothing in bfloat16: run the model with --engine openvino")
    # OpenVINO would choose bfloat16 by itself where the CPU has it, and the gate would measure its loss too.
    precision = "bf16" if bfloat16 else "f32"
    options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision, "PERF_COUNT": profiled}
    if threads:
        options["INFERENCE_NUM_THREADS"] = threads
    if _requests_at_once.get() > 1:
        threads = threads or available_cores()
        side_by_side = {"NUM_STREAMS": min(_requests_at_once.get(), threads), "INFERENCE_NUM_THREADS": threads}
        options |= {"PERFORMANCE_HINT": "THROUGHPUT", **side_by_side}
    if not has_exact_int8():
        # Sums that saturate cost `carotid-int8` 0.016 of its Dice against FP32: its INT8 weights are computed with in FP32.
        options["LP_TRANSFORMS_MODE"] = False
    try:
        return core.compile_model(model, "CPU", options)
    except RuntimeError as error:
        raise ModelError(f"OpenVINO cannot compile {path} ({_reason(error)}): try --engine onnx") from error


@contextmanager
def requests_at_once(count: int) -> Iterator[None]:
    """Compile networks inside the context so that `count` requests run side by side, with the threads divided among them.

    The answers are the same, bit for bit. A single request takes longer.
    """
    before = _requests_at_once.set(count)
    try:
        yield
    finally:
        _requests_at_once.reset(before)


def number_of_requests_at_once() -> int:
    """Return the number of requests that a network compiled now runs side by side."""
    return _requests_at_once.get()


def has_bfloat16() -> bool:
    """Return whether OpenVINO computes in bfloat16 on this processor."""
    return "BF16" in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _ports(ports: Any, path: Path) -> dict[str, tuple[int, ...]]:
    dynamic = [port.any_name for port in ports if port.partial_shape.is_dynamic]
    if dynamic:
        raise ModelError(f"{path} has no fixed shape for {dynamic}: export it again with static shapes")
    return {port.any_name: tuple(int(side) for side in port.shape) for port in ports}


def _dtypes(ports: Any) -> dict[str, str]:
    """Return the NumPy dtype name of each port."""
    return {
        port.any_name: "bfloat16" if port.element_type == ov.Type.bf16 else str(port.element_type.to_dtype()) for port in ports
    }


def _reason(error: Exception) -> str:
    """Return the last non-empty line of OpenVINO's message, which follows its stack trace."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
