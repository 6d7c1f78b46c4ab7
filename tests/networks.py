"""Writes tiny networks as ONNX files without torch, for the tests of engines and sessions."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from rtseg.engines.base import METADATA_KEY, ModelSpec, StateSpec

SIZE = (32, 48)
HALF = (SIZE[0] // 2, SIZE[1] // 2)
STATE = StateSpec("h_in", "h_out", (1, 1, *HALF))


def spec(**changes: object) -> ModelSpec:
    """Return the spec of a recurrent network with one class. changes: fields to replace."""
    values: dict[str, object] = {
        "name": "tiny",
        "size": SIZE,
        "classes": ("lumen",),
        "mean": (100.0,),
        "std": (50.0,),
        "states": (STATE,),
    }
    return ModelSpec(**{**values, **changes})  # type: ignore[arg-type]


def recurrent(path: Path, described: ModelSpec | None = None) -> Path:
    """Write h' = (x averaged over 2x2 + h) / 2 with the logit h': bright pixels are the class, and the past counts equally."""
    half = numpy_helper.from_array(np.array(0.5, np.float32), "half")
    nodes = [
        helper.make_node("AveragePool", ["image"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Add", ["pooled", "h_in"], ["sum"]),
        helper.make_node("Mul", ["sum", "half"], ["h_out"]),
        helper.make_node("Identity", ["h_out"], ["logits"]),
    ]
    inputs = [_tensor("image", (1, 1, *SIZE)), _tensor("h_in", STATE.shape)]
    outputs = [_tensor("logits", (1, 1, *HALF)), _tensor("h_out", STATE.shape)]
    return _save(path, helper.make_graph(nodes, "tiny", inputs, outputs, [half]), described or spec())


def convolutional(path: Path, described: ModelSpec | None = None, *, gain: float = 1.0, answers_nan: bool = False) -> Path:
    """Write h' = tanh(relu(smoothed x) + h / 4) as convolutions of four channels; the logit is the sum of h' minus 1.6.

    gain: the weight of the last convolution; with NaN every engine refuses the file. answers_nan: make the logits NaN with
    finite weights, by the square root of negative numbers.
    """
    rising = np.arange(1, 5, dtype=np.float32).reshape(4, 1, 1, 1)
    weights = {
        "smooth": rising * np.full((4, 1, 3, 3), 1 / 18, np.float32),
        "keep": np.eye(4, dtype=np.float32).reshape(4, 4, 1, 1) / 4,
        "sum": np.full((1, 4, 1, 1), gain, np.float32),
        "less": np.full(1, -1.6, np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["image", "smooth"], ["smoothed"], "first", strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["smoothed"], ["seen"]),
        helper.make_node("Conv", ["h_in", "keep"], ["kept"], "memory"),
        helper.make_node("Add", ["seen", "kept"], ["both"]),
        helper.make_node("Tanh", ["both"], ["h_out"]),
        helper.make_node("Conv", ["h_out", "sum", "less"], ["negative" if answers_nan else "logits"], "last"),
    ]
    if answers_nan:
        weights["less"] = np.full(1, -1e6, np.float32)
        nodes.append(helper.make_node("Sqrt", ["negative"], ["logits"]))
    state = replace(STATE, shape=(1, 4, *HALF))
    inputs = [_tensor("image", (1, 1, *SIZE)), _tensor("h_in", state.shape)]
    outputs = [_tensor("logits", (1, 1, *HALF)), _tensor("h_out", state.shape)]
    constants = [numpy_helper.from_array(values, name) for name, values in weights.items()]
    return _save(
        path, helper.make_graph(nodes, "convolutional", inputs, outputs, constants), described or spec(states=(state,))
    )


PROMPTED_STATES = (
    STATE,
    StateSpec("point_in", "", (1, 1, *HALF), "prompt"),
    StateSpec("gain_in", "", (1, 1, 1, 1), "weights"),
)


def prompted(path: Path) -> Path:
    """Write h' = (x averaged over 2x2 + h) / 2 with the logit h' + gain * h' + point, whose states of zeros add nothing."""
    half = numpy_helper.from_array(np.array(0.5, np.float32), "half")
    nodes = [
        helper.make_node("AveragePool", ["image"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Add", ["pooled", "h_in"], ["sum"]),
        helper.make_node("Mul", ["sum", "half"], ["h_out"]),
        helper.make_node("Mul", ["h_out", "gain_in"], ["gained"]),
        helper.make_node("Add", ["h_out", "gained"], ["tuned"]),
        helper.make_node("Add", ["tuned", "point_in"], ["logits"]),
    ]
    inputs = [_tensor("image", (1, 1, *SIZE)), *(_tensor(state.input, state.shape) for state in PROMPTED_STATES)]
    outputs = [_tensor("logits", (1, 1, *HALF)), _tensor("h_out", STATE.shape)]
    return _save(path, helper.make_graph(nodes, "prompted", inputs, outputs, [half]), spec(states=PROMPTED_STATES))


def pinned(path: Path) -> Path:
    """Write the logit h' + pin', where pin' is the greatest value of x so far: a state of its own that outlives every reset."""
    half = numpy_helper.from_array(np.array(0.5, np.float32), "half")
    nodes = [
        helper.make_node("AveragePool", ["image"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Add", ["pooled", "h_in"], ["sum"]),
        helper.make_node("Mul", ["sum", "half"], ["h_out"]),
        helper.make_node("Max", ["pooled", "pin_in"], ["pin_out"]),
        helper.make_node("Add", ["h_out", "pin_out"], ["logits"]),
    ]
    states = (STATE, StateSpec("pin_in", "pin_out", STATE.shape, "weights"))
    inputs = [_tensor("image", (1, 1, *SIZE)), *(_tensor(state.input, state.shape) for state in states)]
    outputs = [_tensor("logits", (1, 1, *HALF)), *(_tensor(state.output, state.shape) for state in states)]
    return _save(path, helper.make_graph(nodes, "pinned", inputs, outputs, [half]), spec(states=states))


def stateless(path: Path, described: ModelSpec | None = None, size: tuple[int | str, int | str] = SIZE) -> Path:
    """Write a network with two logits, minus and plus the image: bright is class 1. It has metadata only if `described`."""
    nodes = [helper.make_node("Neg", ["input"], ["minus"]), helper.make_node("Concat", ["minus", "input"], ["output"], axis=1)]
    inputs, outputs = [_tensor("input", (1, 1, *size))], [_tensor("output", (1, 2, *size))]
    return _save(path, helper.make_graph(nodes, "stateless", inputs, outputs), described)


def undescribed(path: Path) -> Path:
    """Remove the metadata from a file, as in files of other tools; return its path."""
    model = onnx.load(path)
    del model.metadata_props[:]
    onnx.save(model, path)
    return path


def _tensor(name: str, shape: tuple[int | str, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _save(path: Path, graph: onnx.GraphProto, described: ModelSpec | None) -> Path:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    if described:
        helper.set_model_props(model, {METADATA_KEY: described.to_json()})
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path
