"""Writes an adopted network: its own file with a description and a certificate, as ONNX or as OpenVINO's .xml and .bin."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rtseg.engines.adopt.certificate import CERTIFICATE_KEY
from rtseg.engines.adopt.network_graph import DESCRIPTION
from rtseg.engines.convert.tool_errors import as_model_error
from rtseg.engines.model_file import atomic_onnx_path
from rtseg.engines.model_spec import METADATA_KEY, ModelSpec
from rtseg.engines.openvino_runtime import ov
from rtseg.errors import ModelError
from rtseg.output.atomic_file import atomic_path

LARGEST = 1_900_000_000  # bytes that one protobuf file holds
_CUT = {"Sigmoid": "sigmoid", "Softmax": "softmax"}


def static_copy(source: Path, out: Path, shapes: Mapping[str, tuple[int, ...]], output: str) -> None:
    """Write an ONNX file with fixed input shapes, its weights inside, and without a final Sigmoid or Softmax where possible.

    shapes: of each input. output: the output to read, whose activation is cut. Raises ModelError, MissingExtra.
    """
    from rtseg.engines.convert.weight_average import onnx

    with as_model_error(f"{source} cannot be read as ONNX", "export it again"):
        model = onnx.load(source)
        for port in model.graph.input:
            if port.name in shapes:
                _fix(port, shapes[port.name])
        _narrow(model.graph)
        opset = max((one.version for one in model.opset_import if one.domain in ("", "ai.onnx")), default=0)
        _cut_activation(model.graph, output, opset)
        for port in model.graph.output:
            port.type.tensor_type.ClearField("shape")
        del model.graph.value_info[:]
        model = onnx.shape_inference.infer_shapes(model, data_prop=True)
    if model.ByteSize() > LARGEST:
        raise ModelError(f"{source} holds {model.ByteSize() / 1e9:.1f} GB: rtseg adopts networks of up to 1.9 GB")
    with atomic_onnx_path(out, ".adopt-", source) as part:
        onnx.save(model, part)


def _narrow(graph: Any) -> None:
    """Let a graph compute in float32 what it computes in double precision, which ONNX Runtime lacks for convolutions."""
    from rtseg.engines.convert.weight_average import numpy_helper, onnx

    double, single = onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT
    for tensor in graph.initializer:
        if tensor.data_type == double:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))
    for port in (*graph.input, *graph.output, *graph.value_info):
        if port.type.tensor_type.elem_type == double:
            port.type.tensor_type.elem_type = single
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR and attribute.t.data_type == double:
                values = numpy_helper.to_array(attribute.t).astype(np.float32)
                attribute.t.CopyFrom(numpy_helper.from_array(values, attribute.t.name))
            elif attribute.name in ("to", "dtype") and attribute.i == double:
                attribute.i = single
            elif attribute.type == onnx.AttributeProto.GRAPH:
                _narrow(attribute.g)


def _fix(port: Any, shape: tuple[int, ...]) -> None:
    tensor = port.type.tensor_type
    tensor.ClearField("shape")
    for side in shape:
        tensor.shape.dim.add().dim_value = side


def _cut_activation(graph: Any, output: str, opset: int) -> None:
    """Let an output be the logits before a final Sigmoid, or a Softmax over the channels, if nothing else reads it."""
    makers = {name: node for node in graph.node for name in node.output}
    last = makers.get(output)
    readers = [node for node in graph.node if output in node.input]
    if last is None or readers or last.op_type not in _CUT or last.domain not in ("", "ai.onnx"):
        return
    axis = next((attribute.i for attribute in last.attribute if attribute.name == "axis"), -1)
    is_over_channels = axis in (1, -3) and opset >= 13  # earlier ones take the softmax over all further axes together
    before = makers.get(last.input[0])
    is_read = [node for node in graph.node if last.input[0] in node.input and node is not last]
    is_output = any(port.name == last.input[0] for port in graph.output)
    if before is None or is_read or is_output or (last.op_type == "Softmax" and not is_over_channels):
        return
    before.output[list(before.output).index(last.input[0])] = output
    graph.node.remove(last)


def describe_onnx(path: Path, spec: ModelSpec, certificate: str) -> None:
    """Write a description and a certificate into the metadata of an ONNX file. Raises MissingExtra."""
    from rtseg.engines.convert.weight_average import onnx

    model = onnx.load(path)
    kept = {entry.key: entry.value for entry in model.metadata_props}
    onnx.helper.set_model_props(model, kept | {METADATA_KEY: spec.to_json(), CERTIFICATE_KEY: certificate})
    with atomic_path(path, ".adopt-") as part:
        onnx.save(model, part)


def write_openvino(model: Any, out: Path, description: Mapping[str, str] | None = None) -> None:
    """Write an OpenVINO model as a pair .xml and .bin. description: the texts in its rt_info. Raises ModelError."""
    for key, text in (description or {}).items():
        model.set_rt_info(text, [DESCRIPTION, key])
    try:
        ov.save_model(model, out, compress_to_fp16=False)
    except RuntimeError as error:
        raise ModelError(
            f"{out} cannot be written ({str(error).splitlines()[-1]}): name a file in a folder with space"
        ) from error


def zeros_of(model: Any, constants: Mapping[str, float]) -> dict[str, Any]:
    """Return arrays of zeros, or of the value of a constant, for each input of an OpenVINO model of fixed shapes."""
    return {
        name: np.full(tuple(port.get_shape()), constants.get(name, 0), port.get_element_type().to_dtype())
        for port in model.inputs
        for name in port.get_names()
    }
