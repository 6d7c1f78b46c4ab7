"""Creates plans for the emulated TensorRT, and engines that run them."""

from pathlib import Path
from typing import Any

from emulated.driver import tensorrt_runtime

from rtseg.engines.base import ModelSpec
from rtseg.engines.openvino import OpenVinoEngine


def plan_of(model: Path) -> bytes:
    """Return the emulated TensorRT's plan of an ONNX file."""
    head = tensorrt_runtime.json.dumps(tensorrt_runtime._here()).encode()
    return tensorrt_runtime.MAGIC + head + b"\n" + model.read_bytes()


def spec_of(model: Path) -> ModelSpec:
    engine = OpenVinoEngine(model)
    engine.close()
    return engine.spec


def engine_of(model: Path, **options: Any) -> Any:
    from rtseg.engines.tensorrt.engine import TensorRtEngine

    return TensorRtEngine(plan_of(model), spec_of(model), **options)
