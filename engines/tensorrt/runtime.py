"""Loads TensorRT plans, and imports the tensorrt package for the builder (extra `tensorrt`)."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rtseg.engines.tensorrt.device import DeviceMemory, GpuArray
from rtseg.engines.tensorrt.guard import guarded
from rtseg.errors import EngineError, MissingExtra, ModelError

DRIVER = "install the driver and the extra that match it (`rtseg doctor`), or use --engine openvino"

try:
    import tensorrt
except ImportError as error:
    raise MissingExtra("the TensorRT engine", "tensorrt") from error
except OSError as error:
    raise EngineError(f"TensorRT's libraries cannot be loaded ({error}): {DRIVER}") from error

__all__ = ["DRIVER", "LOGGER", "REMEDY", "VERSION", "LoadedPlan", "PlanContext", "tensorrt"]

VERSION = str(tensorrt.__version__)
REMEDY = "build it again with `rtseg build`"


# One logger for the process, as TensorRT wants it, and a native one: a logger in Python would be called, under Python's lock,
# for each of the thousands of verbose messages of a build while frames are processed. An error recorder in Python is no way to
# collect the messages: with one, TensorRT for RTX 1.7 crashes when it releases the network.
LOGGER = tensorrt.Logger(tensorrt.Logger.ERROR)


class LoadedPlan:
    """Holds a plan that the current GPU can run; `name` is used in errors. Raises ModelError, EngineError.

    memory: holds the scratch memory of all contexts, which run one after another on its stream.
    """

    def __init__(self, plan: bytes, name: str, memory: DeviceMemory) -> None:
        self._name = name
        self._runtime: Any = None
        self._engine: Any = None
        self._scratch: GpuArray | None = None
        self._first: PlanContext | None = None  # made when the plan is opened, so that a GPU that cannot run it is found then
        try:
            self._open(plan)
            self._scratch = memory.array((self._scratch_bytes(),), np.uint8)
            self._first = self._make_context()
        except BaseException:  # the error's traceback would keep the engine beyond the GPU's context
            self.close()
            raise

    def new_context(self) -> "PlanContext":
        """Return a context to run the plan in, which nobody else has. Raises EngineError."""
        first, self._first = self._first, None
        return first or self._make_context()

    def close(self) -> None:
        """Release the engine and the runtime, in the order that TensorRT requires; the contexts must be released before."""
        self._first = None
        self._engine = None
        self._runtime = None
        self._scratch = None

    def _scratch_bytes(self) -> int:
        return max(1, int(self._engine.device_memory_size_v2))

    def _make_context(self) -> "PlanContext":
        assert self._scratch
        strategy = tensorrt.ExecutionContextAllocationStrategy.USER_MANAGED
        cannot_run = f"the GPU cannot run {self._name}"
        made = guarded(cannot_run, lambda: self._engine.create_execution_context(strategy), "free some of its memory")
        made.set_device_memory(self._scratch.pointer, self._scratch.nbytes)
        return PlanContext(made, self._name)

    def _open(self, plan: bytes) -> None:
        self._runtime = guarded(f"TensorRT {VERSION} cannot make a runtime", lambda: tensorrt.Runtime(LOGGER), DRIVER)
        cannot_read = f"TensorRT {VERSION} cannot read the plan of {self._name}"
        try:
            self._engine = guarded(cannot_read, lambda: self._runtime.deserialize_cuda_engine(plan), REMEDY)
        except EngineError as error:
            if error.__cause__:  # not None, by which TensorRT says that the plan is at fault
                raise
            raise ModelError(str(error)) from None
        self.inputs, self.outputs = (self._ports(mode) for mode in (tensorrt.TensorIOMode.INPUT, tensorrt.TensorIOMode.OUTPUT))

    def _ports(self, mode: Any) -> dict[str, tuple[int, ...]]:
        names = [self._engine.get_tensor_name(number) for number in range(self._engine.num_io_tensors)]
        chosen = [name for name in names if self._engine.get_tensor_mode(name) == mode]
        for name in chosen:
            if self._engine.get_tensor_dtype(name) != tensorrt.DataType.FLOAT:
                raise ModelError(f"{name!r} of {self._name} is no float32: {REMEDY}")
        return {name: tuple(int(side) for side in self._engine.get_tensor_shape(name)) for name in chosen}


class PlanContext:
    """Runs a plan. Each captured graph needs a context of its own, since its work refers to what the context holds.

    See NVIDIA's developer guide of TensorRT, "CUDA Graphs".
    """

    def __init__(self, native: Any, name: str) -> None:
        self._native, self._name = native, name

    def enqueue(self, addresses: Mapping[str, int], stream: int) -> None:
        """Enqueue a run on the stream. addresses: the device address of each input and output by name. Raises EngineError."""
        guarded(
            f"TensorRT failed on {self._name}",
            lambda: self._enqueue(addresses, stream) or None,
            "try --engine openvino",
        )

    def _enqueue(self, addresses: Mapping[str, int], stream: int) -> bool:
        bound = [self._native.set_tensor_address(name, address) for name, address in addresses.items()]
        return bool(all(bound) and self._native.execute_async_v3(stream))
