"""Tests that the shipped carotid network gives the same masks with a Sigmoid, in NHWC, with open axes and in float16."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

from rtseg.cli.app import app
from rtseg.engines.load import load_engine
from rtseg.engines.zoo import shipped_models
from rtseg.session.session import Session
from rtseg.sources import open_source

FRAMES = 30
WORDS = ("--mean", "20", "--std", "36", "--classes", "lumen", "--size", "256x256")


def carotid():
    model = onnx.load(shipped_models()["carotid"])
    del model.metadata_props[:]
    return model


def with_sigmoid():
    model = carotid()
    rename(model, "logits", "before")
    model.graph.node.append(helper.make_node("Sigmoid", ["before"], ["logits"]))
    return model


def rename(model, old, new):
    for node in model.graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
        node.output[:] = [new if name == old else name for name in node.output]


def in_nhwc():
    model = carotid()
    rename(model, "image", "turned")
    rename(model, "logits", "before")
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.append(helper.make_node("Transpose", ["image"], ["turned"], perm=[0, 3, 1, 2]))
    model.graph.node.extend(nodes)
    model.graph.node.append(helper.make_node("Transpose", ["before"], ["logits"], perm=[0, 2, 3, 1]))
    for port in (*model.graph.input, *model.graph.output):
        if port.name in ("image", "logits"):
            sides = [side.dim_value for side in port.type.tensor_type.shape.dim]
            turned = [sides[0], sides[2], sides[3], sides[1]]
            port.CopyFrom(helper.make_tensor_value_info(port.name, TensorProto.FLOAT, turned))
    return model


def with_open_axes():
    model = carotid()
    for port in (*model.graph.input, *model.graph.output):
        for place, side in enumerate(port.type.tensor_type.shape.dim):
            if place != 1:
                side.dim_param = f"{port.name}_{place}"
    return model


def in_float16():
    model = carotid()
    kept = {name for node in model.graph.node if node.op_type == "Resize" for name in node.input[1:]}
    single, half = TensorProto.FLOAT, TensorProto.FLOAT16
    for tensor in model.graph.initializer:
        if tensor.data_type == single and tensor.name not in kept:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))
    for port in (*model.graph.input, *model.graph.output):
        port.type.tensor_type.elem_type = half
    del model.graph.value_info[:]
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name == "value" and attribute.t.data_type == single and node.output[0] not in kept:
                attribute.t.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(attribute.t).astype(np.float16)))
            if attribute.name == "to" and attribute.i == single:
                attribute.i = half
    return model


def masks(engine):
    session, found = Session(engine, temporal=None), []
    source = open_source("clip:carotid")
    for frame in source:
        found.append(session.step(frame).labels)
        if len(found) == FRAMES:
            break
    source.close()
    return np.stack(found)


@pytest.mark.parametrize("variant", [with_sigmoid, in_nhwc, with_open_axes, in_float16])
def test_a_variant_of_the_shipped_network_gives_its_masks(variant, tmp_path):
    onnx.save(variant(), tmp_path / "net.onnx")
    done = CliRunner().invoke(
        app, ["adopt", str(tmp_path / "net.onnx"), "clip:carotid", "--out", str(tmp_path / "out"), *WORDS]
    )
    assert done.exit_code == 0, done.output
    engine, original = load_engine(tmp_path / "out.onnx"), load_engine("carotid")
    assert len(engine.spec.states) == len(original.spec.states)
    ours, theirs = masks(engine), masks(original)
    assert theirs.any()
    assert 2 * (ours & theirs).sum() / (ours.sum() + theirs.sum()) >= 0.999
