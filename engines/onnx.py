"""Runs networks with ONNX Runtime, the portable engine (extra `onnx`)."""

from copy import copy
from pathlib import Path
from typing import Any

import numpy as np

from rtseg.engines.base import Array, Floats, ModelSpec, SwapState, check_dtypes, check_ports, check_write, complete_spec
from rtseg.engines.onnx_runtime import onnxruntime
from rtseg.errors import EngineError, ModelError
from rtseg.frame import Image, Labels


class OnnxEngine:
    """Runs an ONNX file on the CPU with ONNX Runtime; recurrent states swap between two sets of buffers.

    path: the model. spec: the network's description, for a file without rtseg's metadata. threads: 0 lets ONNX Runtime choose.
    is_examined: whether `spec` is the result of an examination of this file. Raises ModelError.
    """

    name = "onnx"

    def __init__(self, path: Path, spec: ModelSpec | None = None, *, threads: int = 0, is_examined: bool = False) -> None:
        if not is_examined or spec is None:
            from rtseg.engines.adopt.open_network import examine_plain

            spec = examine_plain(path, spec).spec
        self._network: Any = open_session(path, threads)
        inputs, outputs = _ports(self._network.get_inputs(), path), _ports(self._network.get_outputs(), path)
        self.spec = complete_spec(spec, inputs, outputs)
        check_dtypes(self.spec, _dtypes([*self._network.get_inputs(), *self._network.get_outputs()]))
        check_ports(self.spec, inputs, outputs)
        self._logits = np.zeros(outputs[self.spec.logits_output], np.float32)
        self._binding: Any = self._network.io_binding()

    def share(self) -> "OnnxEngine":
        """Return an engine on the same network with bindings of its own, see `Shareable`. Raises EngineError."""
        if self._network is None:
            raise EngineError(f"the engine of {self.spec.name!r} is closed: load it again")
        other = copy(self)
        other._logits, other._binding = np.zeros_like(self._logits), self._network.io_binding()
        return other

    def initial_state(self) -> SwapState:
        """Return a state of zeros in new buffers."""
        return SwapState.of(self.spec.states, _zeros)

    def upload(self, image: Image) -> Array:
        """Return the image unchanged: it is on the CPU already."""
        return image

    def infer(self, x: Array, state: SwapState) -> tuple[Array, SwapState]:
        """Run the network, see `Engine.infer`. Raises EngineError."""
        if self._network is None:
            raise EngineError(f"the engine of {self.spec.name!r} is closed: load it again")
        self._check(x)
        self._bind(x, state)
        try:
            self._network.run_with_iobinding(self._binding)
        except Exception as error:  # its exceptions share no parent but Exception
            raise EngineError(f"ONNX Runtime failed on {self.spec.name!r}: {_reason(error)}; try --engine openvino") from error
        return self._logits, state.swapped()

    def download(self, labels: Array) -> Labels:
        """Return the labels unchanged: they are on the CPU already."""
        return np.asarray(labels)

    def write(self, state: SwapState, name: str, values: Floats) -> SwapState:
        """Write values into a state in place, see `Engine.write`. Raises ConfigError."""
        place, checked = check_write(self.spec, name, values)
        np.copyto(state.now[place], checked)
        return state

    def close(self) -> None:
        """Release the network; closing twice is harmless."""
        self._network = self._binding = None

    def _check(self, x: Array) -> None:
        wanted = (1, self.spec.channels, *self.spec.size)
        # The runtime receives a bare address: an array of another shape or dtype would be misread.
        if x.shape != wanted or x.dtype != np.float32 or not x.flags.c_contiguous:
            raise EngineError(f"{self.spec.name!r} takes a contiguous float32 {wanted}, not {x.dtype} {x.shape}: use fit_input")

    def _bind(self, x: Array, state: SwapState) -> None:
        self._bind_input(self.spec.image_input, x)
        self._bind_output(self.spec.logits_output, self._logits)
        for port, now, spare in zip(self.spec.states, state.now, state.spare, strict=True):
            self._bind_input(port.input, now)
            if port.output:
                self._bind_output(port.output, spare)

    def _bind_input(self, name: str, array: Array) -> None:
        self._binding.bind_input(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)

    def _bind_output(self, name: str, array: Array) -> None:
        self._binding.bind_output(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)


def _zeros(shape: tuple[int, ...]) -> Array:
    return np.zeros(shape, np.float32)


def open_session(path: Path, threads: int) -> Any:
    """Open an ONNX file in ONNX Runtime on the CPU. Raises ModelError."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # Spinning threads starve the decoder and the overlay on a small machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions share no parent but Exception
        raise ModelError(
            f"{path} is no ONNX model that ONNX Runtime can read ({_reason(error)}): export it again, in float32"
        ) from error


def _ports(ports: Any, path: Path) -> dict[str, tuple[int, ...]]:
    dynamic = [port.name for port in ports if not all(isinstance(side, int) for side in port.shape)]
    if dynamic:
        raise ModelError(f"{path} has no fixed shape for {dynamic}: export it again with static shapes")
    return {port.name: tuple(port.shape) for port in ports}


def _dtypes(ports: Any) -> dict[str, str]:
    """Return the NumPy dtype name of each port."""
    names = {"tensor(float)": "float32", "tensor(double)": "float64"}
    return {port.name: names.get(port.type, port.type.removeprefix("tensor(").removesuffix(")")) for port in ports}


def _reason(error: Exception) -> str:
    """Return the runtime's message as one line."""
    return " ".join(str(error).split())
