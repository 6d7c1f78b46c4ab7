"""From an FP32 ONNX file to an FP16 one: TensorRT's networks are strongly typed, so the file says what is computed in FP16."""

from pathlib import Path

from rtseg.errors import MissingExtra

try:
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel
except ImportError:
    raise MissingExtra("a plan in FP16", "onnx") from None


def to_half(model: Path, out: Path) -> None:
    """Write `model` with FP16 within to `out`: its inputs, outputs and states stay float32, so that engines change places."""
    network = onnx.load(model)
    described = list(network.metadata_props)
    half = convert_float_to_float16(network, keep_io_types=True)
    if not half.metadata_props:
        half.metadata_props.extend(described)
    OnnxModel(half).topological_sort()  # the casts of inputs and outputs stand anywhere
    onnx.save(half, out)
