"""Writes a tiny network that follows bright blobs at which a user points, as an ONNX file without torch, and draws them."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from rtseg.engines.base import METADATA_KEY, ModelSpec, StateSpec
from rtseg.frame import Frame

SIZE = (64, 96)
BLOB = 16  # pixels of a blob's sides


def blobs(index: int, *corners: tuple[int, int], level: int = 220) -> Frame:
    """Return a frame of dim texture with bright squares whose corners (left, top) are given."""
    image = np.random.default_rng(0).integers(20, 60, SIZE, dtype=np.uint8)
    image[0, index % SIZE[1]] = 60 + index % 90  # no two frames are equal
    image[40:, 4::16] = 90
    for left, top in corners:
        image[top : top + BLOB, left : left + BLOB] = level
    image[-1, :: 1 + index % 5] = 100  # it is not held
    return Frame(image, index, index * 40_000_000)


def tracker(path: Path, objects: int = 1, size: tuple[int, int] = SIZE) -> Path:
    """Write a network of objects that are bright near their prompt, near the last mask, or near the first while lost."""
    half = (size[0] // 2, size[1] // 2)
    names = ("prompt", "mask", "pin", "pinned", "presence")
    channels = (2, 1, 1, 0, 0)
    roles = ("prompt", "mask", "weights", "weights", "memory")
    states = tuple(
        StateSpec(
            f"{name}_in",
            f"{name}_out" if name != "prompt" else "",
            (objects, count, *half) if count else (objects, 1, 1, 1),
            role,
        )
        for name, count, role in zip(names, channels, roles, strict=True)
    )
    classes = ("object",) if objects == 1 else tuple(f"object {place}" for place in range(1, objects + 1))
    spec = ModelSpec("tracker", size, classes, (100.0,), (50.0,), states)
    values = {"one": 1, "ten": 10, "half": 0.3, "steep": 20, "far": 40, "unused": 30, "zero": 0}
    constants = [numpy_helper.from_array(np.array(value, np.float32), name) for name, value in values.items()]
    node = helper.make_node
    grow = {"kernel_shape": [13, 13], "pads": [6, 6, 6, 6], "strides": [1, 1]}
    nodes = [
        node("AveragePool", ["image"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Sub", ["pooled", "one"], ["above"]),
        node("Mul", ["above", "ten"], ["bright"]),
        node("Split", ["prompt_in"], ["belongs", "other"], axis=1),
        node("ReduceMax", ["belongs"], ["greatest"], axes=[1, 2, 3]),
        node("Ceil", ["greatest"], ["prompted"]),
        node("Sub", ["one", "prompted"], ["kept"]),
        node("Equal", ["pinned_in", "one"], ["is_followed"]),
        node("Cast", ["is_followed"], ["followed"], to=TensorProto.FLOAT),
        node("Min", ["pinned_in", "one"], ["pinned"]),
        node("Max", ["pinned", "prompted"], ["pinned_out"]),
        node("Mul", ["mask_in", "followed"], ["last"]),
        node("Mul", ["presence_in", "followed"], ["seen"]),
        node("Sub", ["one", "seen"], ["unseen"]),
        node("Round", ["unseen"], ["lost"]),
        node("Mul", ["pin_in", "pinned"], ["held"]),
        node("Mul", ["held", "lost"], ["first"]),
        node("Max", ["belongs", "last", "first"], ["seed"]),
        node("MaxPool", ["seed"], ["grown"], **grow),
        node("MaxPool", ["other"], ["taken"], **grow),
        node("Sub", ["grown", "half"], ["near"]),
        node("Mul", ["near", "steep"], ["reach"]),
        node("Mul", ["taken", "far"], ["away"]),
        node("Sub", ["reach", "away"], ["within"]),
        node("Min", ["bright", "within"], ["shown"]),
        node("Sub", ["one", "pinned_out"], ["free"]),
        node("Mul", ["free", "unused"], ["gap"]),
        node("Sub", ["shown", "gap"], ["logit"]),
        node("Sigmoid", ["logit"], ["mask_out"]),
        node("Mul", ["mask_out", "prompted"], ["pin_new"]),
        node("Mul", ["pin_in", "kept"], ["pin_old"]),
        node("Add", ["pin_new", "pin_old"], ["pin_out"]),
        node("ReduceMax", ["mask_out"], ["presence_out"], axes=[1, 2, 3]),
    ]
    if objects == 1:
        nodes.append(node("Identity", ["logit"], ["logits"]))
    else:
        constants.append(numpy_helper.from_array(np.zeros((1, 1, *half), np.float32), "background"))
        nodes += [
            node("Concat", ["background", "logit"], ["planes"], axis=0),
            node("Transpose", ["planes"], ["logits"], perm=[1, 0, 2, 3]),
        ]
    shapes = {"image": (1, 1, *size), **{state.input: state.shape for state in states}}
    answers = {
        "logits": (1, 1 if objects == 1 else objects + 1, *half),
        **{one.output: one.shape for one in states if one.output},
    }
    inputs, outputs = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in group.items()]
        for group in (shapes, answers)
    )
    graph = helper.make_graph(nodes, "tracker", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, {METADATA_KEY: spec.to_json()})
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path
