"""Stands in for TensorRT on the emulated GPU: the part that rtseg uses, with the real names and signatures.

A plan is the ONNX file after a line that names the TensorRT version and the GPU. It runs on ONNX Runtime when the stream
executes it, on the memory at the addresses that were set when it was enqueued.
"""

import ctypes
import json
import sys
from enum import Enum
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from weakref import WeakSet

import numpy as np
import onnx
import onnxruntime
from emulated.driver.device import current_gpu

__version__ = "10.16.1.11"

MAGIC = b"emulated plan "

SCRATCH_BYTES = 4096  # that a run overwrites


class TensorIOMode(Enum):
    NONE, INPUT, OUTPUT = range(3)


class DataType(Enum):
    FLOAT, HALF, INT8 = range(3)


class DeviceType(Enum):
    GPU, DLA = range(2)


class BuilderFlag(Enum):
    GPU_FALLBACK, TF32 = 4, 8


class MemoryPoolType(Enum):
    WORKSPACE = 0


class ExecutionContextAllocationStrategy(Enum):
    STATIC, ON_PROFILE_CHANGE, USER_MANAGED = range(3)


class NetworkDefinitionCreationFlag(Enum):
    EXPLICIT_BATCH, STRONGLY_TYPED = 0, 1

    def __int__(self) -> int:
        return self.value


class ILogger:
    class Severity(Enum):
        INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = Severity


class Logger(ILogger):
    def __init__(self, min_severity: ILogger.Severity = ILogger.WARNING) -> None:
        self.min_severity = min_severity

    def _emit(self, text: str) -> None:
        sys.stderr.write(f"[TRT] [E] {text}\n")


class IProgressMonitor:
    def __init__(self) -> None:
        pass


class Runtime:
    def __init__(self, logger: ILogger) -> None:
        self._logger = _checked(logger)
        self._engines = WeakSet[ICudaEngine]()
        current_gpu().dependents.add(self)

    def __del__(self) -> None:
        if len(getattr(self, "_engines", ())):
            current_gpu().failures.append(AssertionError("a runtime is released before its engine"))

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> "ICudaEngine | None":
        head, _, network = bytes(serialized_engine).partition(b"\n")
        if not head.startswith(MAGIC) or json.loads(head[len(MAGIC) :]) != _here():
            self._logger._emit("The engine plan file is not compatible with this version of TensorRT")
            return None
        engine = ICudaEngine(network)
        self._engines.add(engine)
        return engine


def _checked(logger: ILogger) -> Logger:
    """Check that the process has one logger, without Python behind it; TensorRT ignores another one with a warning."""
    assert type(logger) is Logger
    _loggers.append(logger)
    assert len({id(each) for each in _loggers}) == 1, "more than one logger"
    return logger


_loggers: list[ILogger] = []  # of this process


class ICudaEngine:
    def __init__(self, network: bytes) -> None:
        current_gpu().dependents.add(self)
        self._session = _session(network)
        self._ports = {port.name: port for port in (*self._session.get_inputs(), *self._session.get_outputs())}

    @property
    def num_io_tensors(self) -> int:
        return len(self._ports)

    def get_tensor_name(self, index: int) -> str:
        return list(self._ports)[index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        inputs = [port.name for port in self._session.get_inputs()]
        return TensorIOMode.INPUT if name in inputs else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> DataType:
        return {"tensor(float)": DataType.FLOAT, "tensor(float16)": DataType.HALF}[self._ports[name].type]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._ports[name].shape)

    @property
    def device_memory_size_v2(self) -> int:
        return SCRATCH_BYTES

    def create_execution_context(
        self, strategy: ExecutionContextAllocationStrategy = ExecutionContextAllocationStrategy.STATIC
    ) -> "IExecutionContext":
        return IExecutionContext(self, strategy)


@lru_cache(maxsize=4)
def _session(network: bytes) -> Any:
    return onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])


class IExecutionContext:
    def __init__(self, engine: ICudaEngine, strategy: ExecutionContextAllocationStrategy) -> None:
        current_gpu().dependents.add(self)
        self._engine, self._strategy, self._has_run = engine, strategy, False
        self._addresses: dict[str, int] = {}
        self._scratch = 0
        self._captured: set[int] = set()  # addresses in the graph that holds this context

    def set_device_memory(self, memory: int, size: int) -> None:
        assert self._strategy is ExecutionContextAllocationStrategy.USER_MANAGED
        assert memory % 256 == 0, "the scratch memory is not aligned"
        assert size >= self._engine.device_memory_size_v2, "the scratch memory is too small"
        self._scratch = memory

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self._addresses[name] = memory
        return name in self._engine._ports

    def execute_async_v3(self, stream_handle: int) -> bool:
        engine, addresses, scratch = self._engine, dict(self._addresses), self._scratch
        captures = bool(current_gpu().native.emulated_capturing(ctypes.c_void_p(stream_handle)))
        if set(addresses) != set(engine._ports) or (captures and not self._has_run):  # the first run may allocate
            return False
        if not scratch and self._strategy is ExecutionContextAllocationStrategy.USER_MANAGED:
            return False
        if captures:
            self._note_capture(addresses)
        self._has_run = True
        network = SimpleNamespace(_session=engine._session)  # enqueued work does not keep TensorRT's objects alive
        return current_gpu().enqueue(stream_handle, lambda: _run(network, addresses, scratch)) == 0

    def _note_capture(self, addresses: dict[str, int]) -> None:
        """Record a failure where a second graph is captured from this context at other addresses."""
        places = set(addresses.values())
        if self._captured and places != self._captured:
            current_gpu().failures.append(AssertionError("two graphs were captured from one execution context"))
        self._captured = places


def _run(engine: Any, addresses: dict[str, int], scratch: int) -> None:
    if scratch:
        assert not current_gpu().is_freed(scratch), "the scratch memory was freed"
        ctypes.memset(scratch, 0xAB, SCRATCH_BYTES)
    inputs = {port.name: _at(addresses[port.name], port.shape).copy() for port in engine._session.get_inputs()}
    outputs = engine._session.get_outputs()
    for port, result in zip(outputs, engine._session.run([port.name for port in outputs], inputs), strict=True):
        _at(addresses[port.name], port.shape)[...] = result


def _at(address: int, shape: list[int]) -> "np.ndarray[Any, np.dtype[np.float32]]":
    assert not current_gpu().is_freed(address), "a tensor's memory was freed"
    size = int(np.prod(shape))
    return np.ctypeslib.as_array((ctypes.c_float * size).from_address(address)).reshape(shape)


def _here() -> list[Any]:
    return [__version__, current_gpu().name, current_gpu().major, current_gpu().minor]


class Builder:
    num_DLA_cores = 0  # noqa: N815

    def __init__(self, logger: ILogger) -> None:
        self._logger = _checked(logger)

    def create_network(self, flags: int = 0) -> "INetworkDefinition":
        assert flags == 1 << int(NetworkDefinitionCreationFlag.STRONGLY_TYPED)
        return INetworkDefinition()

    def create_builder_config(self) -> "IBuilderConfig":
        return IBuilderConfig()

    def build_serialized_network(self, network: "INetworkDefinition", config: "IBuilderConfig") -> bytes | None:
        monitor = config.progress_monitor
        monitor.phase_start("Building Engine", None, 2)
        for step in range(2):
            monitor.phase_start("Timing", "Building Engine", 3)
            for tactic in range(3):
                if not monitor.step_complete("Timing", tactic):
                    self._logger._emit("the build was cancelled")
                    return None
            monitor.phase_finish("Timing")
            monitor.step_complete("Building Engine", step)
        monitor.phase_finish("Building Engine")
        if config._cache is not None:
            config._cache._content += b"t"
        return MAGIC + json.dumps(_here()).encode() + b"\n" + network.content


class INetworkDefinition:
    content = b""


class IHostMemory(bytes):
    pass


class ITimingCache:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def serialize(self) -> IHostMemory:
        return IHostMemory(self._content)


class IBuilderConfig:
    def __init__(self) -> None:
        self.progress_monitor: Any = None
        self.default_device_type, self.DLA_core = DeviceType.GPU, -1
        self.flags: set[BuilderFlag] = {BuilderFlag.TF32}  # TensorRT's default
        self.limits: dict[MemoryPoolType, int] = {}
        self._cache: ITimingCache | None = None

    def set_flag(self, flag: BuilderFlag) -> None:
        self.flags.add(flag)

    def set_memory_pool_limit(self, pool: MemoryPoolType, pool_size: int) -> None:
        self.limits[pool] = pool_size

    def clear_flag(self, flag: BuilderFlag) -> None:
        self.flags.discard(flag)

    def create_timing_cache(self, serialized_timing_cache: bytes) -> ITimingCache:
        return ITimingCache(serialized_timing_cache)

    def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool:
        self._cache = cache
        return True

    def get_timing_cache(self) -> ITimingCache | None:
        return self._cache


class OnnxParser:
    def __init__(self, network: INetworkDefinition, logger: ILogger) -> None:
        self._network, self._problem = network, ""

    @property
    def num_errors(self) -> int:
        return int(bool(self._problem))

    def get_error(self, index: int) -> str:
        return self._problem

    def parse_from_file(self, model: str) -> bool:
        try:
            onnx.checker.check_model(onnx.load(model))
        except Exception as error:  # noqa: BLE001  protobuf and onnx raise exceptions of many types
            self._problem = str(error)
            return False
        self._network.content = Path(model).read_bytes()
        return True
