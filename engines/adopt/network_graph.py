"""Reads the graph of a network file with OpenVINO, and follows its values from tensor to tensor."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from rtseg.engines.openvino_runtime import FrontEndManager, ov
from rtseg.engines.validation.onnx_file import Node
from rtseg.engines.validation.weight_check import check_weights, metadata_of
from rtseg.errors import ModelError

SUFFIXES = (".onnx", ".xml", ".tflite")
DESCRIPTION = "rtseg"  # the section of an OpenVINO file's rt_info with rtseg's metadata
WEIGHTED = {
    "Convolution", "GroupConvolution", "ConvolutionBackpropData", "GroupConvolutionBackpropData", "MatMul", "LSTMSequence",
    "GRUSequence", "LSTMCell", "GRUCell", "DeformableConvolution",
}  # fmt: skip

Shape = tuple[int, ...]  # -1 for a dimension that is open


class NetworkGraph:
    """Holds the graph of one network file. Raises ModelError for a file that is damaged or of another kind.

    model: the OpenVINO model, which reading leaves unchanged. metadata: by key, as text.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.suffix == ".onnx":
            file = check_weights(path)
            _check_mode(path, file.nodes)
            self.metadata: Mapping[str, str] = metadata_of(file)
            self.model = _converted(path, "onnx")
        else:
            self.model = _converted(path, "ir" if path.suffix == ".xml" else "tflite")
            self.metadata = _rt_info(self.model)
            _check_constants(path, self.model)

    @property
    def inputs(self) -> list[Any]:
        """Return the inputs, OpenVINO outputs of Parameter nodes."""
        return list(self.model.inputs)

    @property
    def outputs(self) -> dict[str, Any]:
        """Return the tensor of each output by its name."""
        return {name_of(port): port.get_node().input_value(0) for port in self.model.outputs}

    @cached_property
    def consumers(self) -> dict[str, list[Any]]:
        """Return the nodes that read each node, by its name."""
        found: dict[str, list[Any]] = {}
        for node in self.model.get_ordered_ops():
            for value in node.input_values():
                found.setdefault(value.get_node().get_friendly_name(), []).append(node)
        return found

    def ancestors(self, output: Any) -> dict[str, Any]:
        """Return the nodes on which a tensor depends, by name, itself included."""
        found: dict[str, Any] = {}
        left = [output.get_node()]
        while left:
            node = left.pop()
            if node.get_friendly_name() not in found:
                found[node.get_friendly_name()] = node
                left += [value.get_node() for value in node.input_values()]
        return found

    def path_from(self, port: Any) -> Iterator[Any]:
        """Yield the nodes after an input for as long as each has one reader that computes something."""
        name = port.get_node().get_friendly_name()
        while True:
            readers = [one for one in self.consumers.get(name, ()) if one.get_type_name() not in ("ShapeOf", "Result")]
            if len(readers) != 1:
                return
            yield readers[0]
            name = readers[0].get_friendly_name()


def name_of(port: Any) -> str:
    """Return the name of an input or output, or that of its node where it has none."""
    names = port.get_names()
    return str(port.any_name) if names else str(port.get_node().get_friendly_name())


def shape_of(port: Any) -> Shape | None:
    """Return the shape of a port with -1 for open sides; None for an unknown number of axes."""
    shape = port.get_partial_shape()
    if shape.rank.is_dynamic:
        return None
    return tuple(-1 if side.is_dynamic else side.get_length() for side in shape)


def dtype_of(port: Any) -> str:
    """Return the name of a port's NumPy dtype."""
    kind = port.get_element_type()
    if kind == ov.Type.bf16:
        return "bfloat16"
    try:
        return str(np.dtype(kind.to_dtype()))
    except (RuntimeError, TypeError):
        return str(kind.get_type_name())


def constant_of(output: Any) -> Any:
    """Return the values of a constant behind conversions and reshapes as float64; None for a computed tensor."""
    node = output.get_node()
    while node.get_type_name() in ("Convert", "Reshape", "Unsqueeze", "Squeeze"):
        node = node.input_value(0).get_node()
    if node.get_type_name() != "Constant" or np.asarray(node.data).dtype.kind not in "fiub":
        return None
    return np.asarray(node.data, np.float64)


def _converted(path: Path, framework: str) -> Any:
    # Core.read_model tries every frontend, and some of them print messages about a broken file.
    remedy = {
        "onnx": "export it again, from torch with `rtseg export`",
        "ir": "give the .xml of a pair .xml and .bin that OpenVINO wrote",
        "tflite": "convert it again with tf.lite.TFLiteConverter",
    }[framework]
    kind = {"onnx": "ONNX model", "ir": "OpenVINO model", "tflite": "TFLite model"}[framework]
    try:
        if framework == "ir":
            return ov.Core().read_model(str(path), str(_weights_of(path)))
        reader = FrontEndManager().load_by_framework(framework)
        return reader.convert(reader.load(str(path)))
    except Exception as error:  # the frontends' exceptions share no other base class
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{path} is no {kind} that OpenVINO can read ({_reason(error)}): {remedy}") from error


def _check_mode(path: Path, nodes: list[Node]) -> None:
    """Raise ModelError for an ONNX file in training mode: its BatchNormalization or Dropout has outputs that training needs."""
    for node in nodes:
        if node.op in ("BatchNormalization", "Dropout") and len(node.outputs) > 1:
            raise ModelError(
                f"{path} is in training mode ({node.op}), where each picture changes it: export it after network.eval()"
            )


def _weights_of(path: Path) -> Path:
    weights = path.with_suffix(".bin")
    if not weights.is_file():
        raise ModelError(f"{path} has no weights beside it: put {weights.name} into the same folder")
    return weights


def _rt_info(model: Any) -> dict[str, str]:
    """Return the strings that rtseg wrote into an OpenVINO model's rt_info."""
    found = {}
    for key in ("spec", "certificate"):
        if model.has_rt_info([DESCRIPTION, key]):
            found[f"{DESCRIPTION}.{key}"] = str(model.get_rt_info([DESCRIPTION, key]).astype(str))
    return found


def _check_constants(path: Path, model: Any) -> None:
    """Raise ModelError where a weight is NaN or infinite; ONNX files are checked before they are read."""
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Constant":
            values = np.asarray(node.data)
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                word = "NaN" if np.isnan(values).any() else "infinity"
                raise ModelError(f"{path} has {word} in its weights {node.get_friendly_name()!r}: train and export it again")


def _reason(error: Exception) -> str:
    """Return the last non-empty line of OpenVINO's message, which follows its stack trace."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
