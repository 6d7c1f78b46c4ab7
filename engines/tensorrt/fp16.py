"""Converts an ONNX file to FP16: TensorRT's networks are strongly typed, so the file defines the precision.

In a file of `rtseg quantize`, what lies between the INT8 convolutions becomes FP16; those, with the scales of their inputs and
weights, stay as they are.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rtseg.errors import MissingExtra

try:
    import rtseg.engines.onnx_runtime  # noqa: F401  first, because it turns the telemetry off
except ImportError:
    raise MissingExtra("a plan in FP16", "onnx") from None
try:
    import onnx
    from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel
except ImportError:
    raise MissingExtra("a plan in FP16", "onnx") from None

_SCALED = {"QuantizeLinear", "DequantizeLinear"}
_NOT_IN_HALF = [*(kind for kind in DEFAULT_OP_BLOCK_LIST if kind != "Resize"), *sorted(_SCALED)]


def convert_to_fp16(model: Path, out: Path) -> None:
    """Write `model` with FP16 layers to `out`; inputs, outputs and states stay float32, as all engines expect."""
    network = onnx.load(model)
    _fold_constants(network.graph)
    described, kept = list(network.metadata_props), _name_int8_convolutions(network.graph)
    half = convert_float_to_float16(network, keep_io_types=True, op_block_list=_NOT_IN_HALF, node_block_list=sorted(kept))
    _join(half.graph, kept)
    if not half.metadata_props:
        half.metadata_props.extend(described)
    OnnxModel(half).topological_sort()  # the conversion appends casts in arbitrary order
    onnx.save(half, out)


def _fold_constants(graph: Any) -> None:
    """Turn Constant nodes into initializers: the conversion knows that way alone that the scales of a Resize stay FP32."""
    for node in [node for node in graph.node if node.op_type == "Constant"]:
        value = next((attribute.t for attribute in node.attribute if attribute.name == "value"), None)
        if value is not None:
            graph.initializer.add().CopyFrom(value)
            graph.initializer[-1].name = node.output[0]
            graph.node.remove(node)


def _name_int8_convolutions(graph: Any) -> set[str]:
    """Return the names of the convolutions of INT8 inputs and weights, which get one where they have none."""
    makers = {output: node for node in graph.node for output in node.output}
    found = set()
    for number, node in enumerate(graph.node):
        sources = [makers[name].op_type for name in node.input[:2] if name in makers]
        if node.op_type == "Conv" and sources == ["DequantizeLinear"] * 2:
            node.name = node.name or f"int8_convolution_{number}"
            found.add(node.name)
    return found


def _join(graph: Any, kept: set[str]) -> None:
    """Take out the casts to FP16 and back between two nodes that stay FP32, which would round, and part what TensorRT fuses."""
    casts = {node.output[0]: node for node in graph.node if node.op_type == "Cast"}
    for node in graph.node:
        if node.op_type in _SCALED or node.name in kept:
            for place, name in enumerate(node.input):
                if name in casts and casts[name].input[0] in casts:
                    node.input[place] = casts[casts[name].input[0]].input[0]
    while unused := list(_unused_casts(graph)):
        for node in unused:
            graph.node.remove(node)


def _unused_casts(graph: Any) -> Iterator[Any]:
    used = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
    return (node for node in graph.node if node.op_type == "Cast" and node.output[0] not in used)
