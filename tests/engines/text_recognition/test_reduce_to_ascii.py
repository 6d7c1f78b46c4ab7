"""Test that a recognition network is reduced to ASCII without a change of what it computes."""

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from rtseg.engines.text_recognition.reduce_to_ascii import reduce_to_ascii

CHARACTERS = ["肖", "A", "é", "7", " "]


def network():
    """Return a model of one layer over the characters, as PP-OCR's: none, the characters, a space."""
    rng, outputs = np.random.default_rng(0), len(CHARACTERS) + 2
    values = {"linear_85.w_0": rng.normal(size=(20, outputs)), "linear_85.b_0": rng.normal(size=outputs)}
    constants = [
        onnx.helper.make_node("Constant", [], [name], value=onnx.numpy_helper.from_array(value.astype(np.float32)))
        for name, value in values.items()
    ]
    layers = [
        onnx.helper.make_node("MatMul", ["x", "linear_85.w_0"], ["product"]),
        onnx.helper.make_node("Add", ["product", "linear_85.b_0"], ["y"]),
    ]
    ports = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, (1, 1, width))
        for name, width in (("x", 20), ("y", outputs))
    ]
    graph = onnx.helper.make_graph([*constants, *layers], "g", ports[:1], ports[1:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 12)], ir_version=8)
    onnx.helper.set_model_props(model, {"character": "\n".join(CHARACTERS)})
    return model, values


def test_the_answers_for_ascii_stay():
    model, values = network()
    reduced = reduce_to_ascii(model)
    onnx.checker.check_model(reduced)
    kept = [0, 2, 4, 6]  # none, A, 7 and the space
    x = np.random.default_rng(1).normal(size=(1, 1, 20)).astype(np.float32)
    answer = ReferenceEvaluator(reduced).run(None, {"x": x})[0]
    expected = x @ values["linear_85.w_0"][:, kept] + values["linear_85.b_0"][kept]
    np.testing.assert_allclose(answer, expected, atol=0.05)
    assert reduced.metadata_props[0].value == "A7 "
