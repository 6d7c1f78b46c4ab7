"""Loads TensorRT plans, and imports the tensorrt package for the builder (extra `tensorrt`)."""

from collections import deque
from collections.abc import Mapping
from typing import Any

from rtseg.errors import EngineError, MissingExtra, ModelError

try:
    import tensorrt
except ImportError as error:
    raise MissingExtra("the TensorRT engine", "tensorrt") from error

__all__ = ["REMEDY", "VERSION", "LoadedPlan", "TensorRtLogger", "tensorrt"]

VERSION = str(tensorrt.__version__)
REMEDY = "build it again with `rtseg build`"


class TensorRtLogger(tensorrt.ILogger):  # type: ignore[misc]
    """Collects TensorRT's latest error messages, for rtseg's own errors."""

    def __init__(self) -> None:
        tensorrt.ILogger.__init__(self)
        self._last: deque[str] = deque(maxlen=3)

    def log(self, severity: Any, msg: str) -> None:
        """Record an error; called by TensorRT."""
        if severity in (tensorrt.ILogger.ERROR, tensorrt.ILogger.INTERNAL_ERROR):
            self._last.append(msg.strip())

    def __str__(self) -> str:
        return "; ".join(self._last) or "it does not say why"


class LoadedPlan:
    """Holds a plan that is ready to run on the current GPU; `name` is used in errors. Raises ModelError, EngineError."""

    def __init__(self, plan: bytes, name: str) -> None:
        self._name, self._logger = name, TensorRtLogger()
        self._runtime: Any = tensorrt.Runtime(self._logger)
        self._engine: Any = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise ModelError(f"TensorRT {VERSION} cannot read the plan of {name} ({self._logger}): {REMEDY}")
        self.inputs, self.outputs = (self._ports(mode) for mode in (tensorrt.TensorIOMode.INPUT, tensorrt.TensorIOMode.OUTPUT))
        self._context: Any = self._engine.create_execution_context()
        if self._context is None:
            raise EngineError(f"the GPU cannot run {name} ({self._logger}): free some of its memory")

    def enqueue(self, addresses: Mapping[str, int], stream: int) -> None:
        """Enqueue a run on the stream. addresses: the device address of each input and output by name. Raises EngineError."""
        bound = [self._context.set_tensor_address(name, address) for name, address in addresses.items()]
        if not (all(bound) and self._context.execute_async_v3(stream)):
            raise EngineError(f"TensorRT failed on {self._name} ({self._logger}): try --engine openvino")

    def close(self) -> None:
        """Release the context, the engine and the runtime, in the order that TensorRT requires."""
        self._context = None
        self._engine = None
        self._runtime = None

    def _ports(self, mode: Any) -> dict[str, tuple[int, ...]]:
        names = [self._engine.get_tensor_name(number) for number in range(self._engine.num_io_tensors)]
        chosen = [name for name in names if self._engine.get_tensor_mode(name) == mode]
        for name in chosen:
            if self._engine.get_tensor_dtype(name) != tensorrt.DataType.FLOAT:
                raise ModelError(f"{name!r} of {self._name} is no float32: {REMEDY}")
        return {name: tuple(int(side) for side in self._engine.get_tensor_shape(name)) for name in chosen}
