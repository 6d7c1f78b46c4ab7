"""Converts an FP32 ONNX file to FP16: TensorRT's networks are strongly typed, so the file defines the precision."""

from pathlib import Path

from rtseg.errors import MissingExtra

try:
    import rtseg.engines.onnx_runtime  # noqa: F401  first, because it turns the telemetry off
except ImportError:
    raise MissingExtra("a plan in FP16", "onnx") from None
try:
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel
except ImportError:
    raise MissingExtra("a plan in FP16", "onnx") from None


def convert_to_fp16(model: Path, out: Path) -> None:
    """Write `model` with FP16 layers to `out`; inputs, outputs and states stay float32, as all engines expect."""
    network = onnx.load(model)
    described = list(network.metadata_props)
    half = convert_float_to_float16(network, keep_io_types=True)
    if not half.metadata_props:
        half.metadata_props.extend(described)
    OnnxModel(half).topological_sort()  # the conversion appends casts in arbitrary order
    onnx.save(half, out)
