"""Tests that what cannot be adopted is refused in one line with the remedy, and that nothing in it is run."""

import os
import pickle

import made_networks as made
import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from typer.testing import CliRunner

from rtseg.cli.app import app


def adopt(path, out, *words):
    """Return the error of a refusal, as one line."""
    done = CliRunner().invoke(app, ["adopt", str(path), "--out", str(out), *map(str, words)])
    assert done.exit_code == 1, done.output
    text = " ".join(done.stderr.split())
    assert text.startswith("error: ")
    assert "Traceback" not in done.output
    assert not out.with_suffix(".onnx").exists()
    return text


def constant_graph(path, nodes, outputs, inputs=(("x", (1, 1, *made.SIZE)),), constants=None, domain=""):
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs]
    answers = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs]
    weights = [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in (constants or {}).items()]
    graph = helper.make_graph(nodes, "g", ports, answers, weights)
    opsets = [helper.make_opsetid("", 17)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    return path


class Running:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return os.system, ("touch RAN",)


def text_file(folder):
    (folder / "notes.txt").write_text("no network")
    return folder / "notes.txt"


def truncated(folder):
    path = made.export(made.Blobs(2), folder / "cut.onnx")
    path.write_bytes(path.read_bytes()[:-200])
    return path


def with_nan(folder):
    network = made.Blobs(2)
    with torch.no_grad():
        network.mix.weight[0, 0, 0, 0] = float("nan")
    return made.export(network, folder / "nan.onnx")


def outside(folder):
    (folder / "inner").mkdir()
    path = made.export(made.Blobs(2), folder / "inside.onnx")
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if tensor.name.endswith("weight"):
            onnx.external_data_helper.set_external_data(tensor, "../weights.bin", 0, len(tensor.raw_data))
            (folder / "weights.bin").write_bytes(tensor.raw_data)
            tensor.ClearField("raw_data")
    (folder / "inner" / "net.onnx").write_bytes(model.SerializeToString())
    return folder / "inner" / "net.onnx"


def enormous(folder):
    sides = helper.make_tensor("s", TensorProto.INT64, (4,), [64, 64, 4096, 4096])
    nodes = [
        helper.make_node("Constant", [], ["shape"], value=sides),
        helper.make_node("ConstantOfShape", ["shape"], ["many"]),
        helper.make_node("ReduceMean", ["many"], ["mean"], keepdims=1),
        helper.make_node("Add", ["x", "mean"], ["y"]),
    ]
    return constant_graph(folder / "big.onnx", nodes, [("y", (1, 1, *made.SIZE))])


def custom(folder):
    nodes = [helper.make_node("Secret", ["x"], ["y"], domain="com.example")]
    return constant_graph(folder / "custom.onnx", nodes, [("y", (1, 1, *made.SIZE))], domain="com.example")


def classifier(folder):
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5))
    return made.export(network, folder / "classifier.onnx")


def volume(folder):
    return made.export(nn.Conv3d(1, 1, 3, padding=1), folder / "volume.onnx", example=torch.rand(1, 1, 8, 16, 16))


def pickled(folder):
    with (folder / "net.pt").open("wb") as file:
        pickle.dump(Running(), file)
    return folder / "net.pt"


def pickled_weights(folder):
    torch.save({"state_dict": {"a": torch.zeros(1)}, "more": Running()}, folder / "weights.pth")
    return folder / "weights.pth"


def empty_folder(folder):
    (folder / "nothing").mkdir()
    return folder / "nothing"


def half_nnunet(folder):
    network = made.nnunet(folder).path
    (network / "fold_0" / "checkpoint_final.pth").unlink()
    return network


def hostile_nnunet(folder):
    network = made.nnunet(folder).path
    torch.save({"network_weights": {}, "more": Running()}, network / "fold_0" / "checkpoint_final.pth")
    return network


def hostile_bundle(folder):
    bundle = made.monai_bundle(folder).path
    path = bundle / "configs" / "inference.json"
    path.write_text(
        path.read_text().replace('"out_channels": 2', "\"out_channels\": \"$__import__('os').system('touch RAN')\"")
    )
    return bundle


def other_bundle(folder):
    bundle = made.monai_bundle(folder).path
    path = bundle / "configs" / "inference.json"
    path.write_text(path.read_text().replace('"_target_": "UNet"', '"_target_": "os.system"'))
    return bundle


def endless_bundle(folder):
    bundle = made.monai_bundle(folder).path
    levels = [f"a{place}: &a{place} [{', '.join([f'*a{place - 1}'] * 9 if place else ['x'] * 9)}]" for place in range(9)]
    (bundle / "configs" / "inference.yaml").write_text("\n".join(levels))
    (bundle / "configs" / "inference.json").unlink()
    return bundle


def unordered_regions(folder):
    network = made.nnunet(folder, regions=True).path
    path = network / "dataset.json"
    path.write_text(path.read_text().replace('"regions_class_order": [1, 2, 3]', '"regions_class_order": [1, 2]'))
    return network


def relu_end(folder):
    return made.export(made.Blobs(1, end=torch.relu), folder / "relu.onnx")


def levels_end(folder):
    return made.export(made.Blobs(1, end=lambda x: 255 * x.sigmoid()), folder / "levels.onnx")


def two_masks(folder):
    return made.heads(True)(folder).path


def open_size(folder):
    return made.export(made.Blobs(1), folder / "open.onnx", dynamic_axes={"x": [2, 3], "y": [2, 3]})


def four_channels(folder):
    return made.export(made.Blobs(1, channels=4), folder / "four.onnx", channels=4)


def unscaled(folder):
    return made.export(made.Blobs(1), folder / "unscaled.onnx")


SCALE = ("--normalization", "0..1")


@pytest.mark.parametrize(
    ("make", "words", "complaint"),
    [
        (text_file, (), "is none of .onnx"),
        (truncated, SCALE, "is no ONNX model"),
        (with_nan, SCALE, "NaN in its weights"),
        (outside, SCALE, "outside its folder: put both files into one folder"),
        (enormous, SCALE, "memory|MB"),
        (custom, SCALE, "Secret"),
        (classifier, SCALE, "no mask: give a network that segments"),
        (volume, SCALE, "which is a 3D network"),
        (pickled, ("--size", "48x64", *SCALE), "is no TorchScript network|cannot be run"),
        (pickled_weights, ("--size", "48x64", "--factory", "torch.nn:Identity", *SCALE), "is no state dict"),
        (empty_folder, (), "no folder of nnU-Net v2 .* and no MONAI bundle"),
        (half_nnunet, (), "has no fold_0/checkpoint_final.pth"),
        (hostile_nnunet, (), "whose code is not run"),
        (hostile_bundle, (), "which is code and is not run"),
        (other_bundle, (), "which is no network of monai.networks.nets"),
        (endless_bundle, (), "holds more than 20000 values"),
        (unordered_regions, (), "3 regions and the regions_class_order .1, 2."),
        (relu_end, SCALE, "by Relu .* neither logits nor probabilities: export it without that node"),
        (levels_end, SCALE, "values of 0 to 255"),
        (two_masks, SCALE, "name the one with --output"),
        (open_size, SCALE, "--size HxW"),
        (four_channels, SCALE, "--frames-stacked N"),
        (unscaled, (), "type `rtseg adopt unscaled.onnx --out NAME --normalization 0..1`, or another of 0..255, "),
    ],
)
def test_what_cannot_be_adopted_is_refused_in_one_line(make, words, complaint, tmp_path, monkeypatch):
    import re

    monkeypatch.chdir(tmp_path)
    if make is enormous:
        monkeypatch.delenv("RTSEG_TRUST_MODELS", raising=False)  # tests trust their files, and only a trial bounds its memory
    path = make(tmp_path)
    assert re.search(complaint, told := adopt(path, tmp_path / "out", *words)), told
    assert not (tmp_path / "RAN").exists()


def test_a_network_is_not_overwritten_by_its_own_adoption(tmp_path):
    path = unscaled(tmp_path)
    content = path.read_bytes()
    done = CliRunner().invoke(app, ["adopt", str(path), "--out", str(path), *SCALE])
    assert done.exit_code == 1
    assert "would overwrite the network" in done.stderr
    assert path.read_bytes() == content


def test_a_refusal_is_in_the_report_too(tmp_path):
    import json

    path = relu_end(tmp_path)
    adopt(path, tmp_path / "out", *SCALE, "--json", tmp_path / "a.json")
    report = json.loads((tmp_path / "a.json").read_text())
    assert report["adopted"] is False
    assert "Relu" in report["refused"]
