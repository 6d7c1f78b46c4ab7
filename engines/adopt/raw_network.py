"""Runs a network file with its own inputs and outputs, by name, on OpenVINO or ONNX Runtime."""

from collections.abc import Mapping
from copy import copy
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rtseg.engines.adopt.network_graph import NetworkGraph, name_of
from rtseg.engines.openvino import compile_network
from rtseg.errors import EngineError, ModelError

Arrays = Mapping[str, npt.NDArray[Any]]


class RawNetwork(Protocol):
    """Runs a network on arrays in its own layout and dtype."""

    name: str
    """The name of the engine."""

    def run(self, inputs: Arrays) -> Arrays:
        """Return all outputs by name, in arrays that stay valid. Raises EngineError."""

    def share(self) -> "RawNetwork":
        """Return another one on the same compiled network, which may run at the same time. Raises EngineError."""

    def close(self) -> None:
        """Release the network; closing twice is harmless."""


class OpenVinoNetwork:
    """Runs a network on the CPU with OpenVINO. graph: with the shapes of one picture. Raises ModelError, EngineError."""

    name = "openvino"

    def __init__(self, graph: NetworkGraph, *, threads: int = 0, bfloat16: bool = False) -> None:
        self._names = [name_of(port) for port in graph.model.outputs]
        self._places = {name_of(port): place for place, port in enumerate(graph.inputs)}
        self._path = graph.path
        self._compiled: Any = compile_network(graph.model, graph.path, threads, bfloat16=bfloat16)
        self._request: Any = self._compiled.create_infer_request()

    def share(self) -> "OpenVinoNetwork":
        """Return another one with a request of its own. Raises EngineError."""
        if self._compiled is None:
            raise EngineError(f"the engine of {self._path.name} is closed: load it again")
        other = copy(self)
        other._request = self._compiled.create_infer_request()
        return other

    def run(self, inputs: Arrays) -> Arrays:
        """Return all outputs by name. Raises EngineError."""
        if self._request is None:
            raise EngineError(f"the engine of {self._path.name} is closed: load it again")
        try:
            self._request.infer({self._places[name]: array for name, array in inputs.items()})
        except RuntimeError as error:
            raise EngineError(f"OpenVINO failed on {self._path.name} ({_last_line(error)}): try --engine onnx") from error
        return {name: np.array(self._request.get_output_tensor(place).data) for place, name in enumerate(self._names)}

    def close(self) -> None:
        """Release the network."""
        self._request = self._compiled = None


class OnnxNetwork:
    """Runs an ONNX file on the CPU with ONNX Runtime (extra `onnx`). Raises ModelError, MissingExtra."""

    name = "onnx"

    def __init__(self, path: Path, *, threads: int = 0) -> None:
        from rtseg.engines.onnx import open_session

        if path.suffix != ".onnx":
            raise ModelError(f"{path} is no .onnx file, and ONNX Runtime reads nothing else: run it with --engine openvino")
        self._path, self._session = path, open_session(path, threads)
        self._names = [port.name for port in self._session.get_outputs()]

    def share(self) -> "OnnxNetwork":
        """Return another one on the same session, whose `run` may be called from several threads. Raises EngineError."""
        if self._session is None:
            raise EngineError(f"the engine of {self._path.name} is closed: load it again")
        return copy(self)

    def run(self, inputs: Arrays) -> Arrays:
        """Return all outputs by name. Raises EngineError."""
        if self._session is None:
            raise EngineError(f"the engine of {self._path.name} is closed: load it again")
        try:
            return dict(zip(self._names, self._session.run(None, dict(inputs)), strict=True))
        except Exception as error:  # its exceptions share no parent but Exception
            reason = " ".join(str(error).split())
            raise EngineError(f"ONNX Runtime failed on {self._path.name} ({reason}): try --engine openvino") from error

    def close(self) -> None:
        """Release the network."""
        self._session = None


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
