"""Tests the conversion to FP16: what it leaves in FP32, and that ONNX Runtime finds the same masks in each shipped network."""

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest

from rtseg.engines.tensorrt.fp16 import convert_to_fp16
from rtseg.engines.zoo import shipped_models

FLOAT = onnx.TensorProto.FLOAT
MODELS = shipped_models()


@pytest.fixture(scope="module", params=MODELS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the file of a shipped network, and the one that it is converted to."""
    half = tmp_path_factory.mktemp("half") / "half.onnx"
    convert_to_fp16(MODELS[request.param], half)
    return MODELS[request.param], half


def test_masks_are_those_of_the_file(pair: tuple[Path, Path]) -> None:
    found = []
    for path in pair:
        session, random = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]), np.random.default_rng(0)
        feeds = {port.name: np.zeros(port.shape, np.float32) for port in session.get_inputs()}
        noise = random.normal(0, 8, feeds["image"].shape).astype(np.float32)
        feeds["image"][0] = [cv2.GaussianBlur(plane, (0, 0), 5) for plane in noise[0]]
        found.append(session.run(["logits"], feeds)[0] > 0)
    assert (found[0] == found[1]).mean() > 0.985


def test_everything_but_int8_convolutions_is_in_half(pair: tuple[Path, Path]) -> None:
    half = onnx.load(pair[1])
    onnx.checker.check_model(half)
    graph = onnx.shape_inference.infer_shapes(half).graph
    kinds = {value.name: value.type.tensor_type.elem_type for value in graph.value_info}
    makers = {output: node for node in graph.node for output in node.output}
    full = Counter(node.op_type for node in graph.node for output in node.output if kinds.get(output) == FLOAT)
    assert set(full) <= {"Cast", "DequantizeLinear", "Conv"}
    for node in graph.node:
        if node.op_type == "Conv" and kinds.get(node.output[0], FLOAT) == FLOAT:
            sources = [makers[one].op_type for one in node.input[:2] if one in makers]
            assert sources == ["DequantizeLinear"] * 2, "nothing parts an INT8 convolution from its scales"


def test_scales_of_a_resize_stay_in_full_precision(tmp_path: Path) -> None:
    make = onnx.helper
    nodes = [
        make.make_node("Constant", [], ["scales"], value=make.make_tensor("", FLOAT, [4], [1, 1, 2, 2])),
        make.make_node("Resize", ["image", "", "scales"], ["logits"], mode="nearest"),
    ]
    ports = [make.make_tensor_value_info(name, FLOAT, [1, 1, size, size]) for name, size in (("image", 4), ("logits", 8))]
    network = make.make_model(
        make.make_graph(nodes, "net", ports[:1], ports[1:]), opset_imports=[make.make_opsetid("", 17)], ir_version=8
    )
    onnx.save(network, tmp_path / "net.onnx")
    convert_to_fp16(tmp_path / "net.onnx", tmp_path / "half.onnx")
    half = onnx.load(tmp_path / "half.onnx")
    (stored,) = half.graph.initializer
    assert (stored.name, stored.data_type) == ("scales", FLOAT)
    assert {node.op_type for node in half.graph.node} == {"Cast", "Resize"}
    session = onnxruntime.InferenceSession(tmp_path / "half.onnx", providers=["CPUExecutionProvider"])
    image = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    assert (session.run(None, {"image": image})[0] == image.repeat(2, 2).repeat(2, 3)).all()
