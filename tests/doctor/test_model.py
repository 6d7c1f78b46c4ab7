"""Tests that the doctor explains a model file: its ports, what was inferred and why, its cost, and what to change."""

import networks
import onnx
from onnx import helper
from typer.testing import CliRunner

from rtseg.cli.app import app


def doctor(path):
    done = CliRunner().invoke(app, ["doctor", "--model", str(path)])
    assert done.exit_code == 0, done.output
    return " ".join(done.output.replace("\u2502", " ").split())


def test_a_shipped_model_has_nothing_to_change():
    said = doctor("carotid")
    assert "image (1, 1, 256, 256) float32: the picture" in said
    assert "yes, on every engine" in said
    assert "multiply-accumulates" in said
    assert "frames a second" in said


def test_a_file_of_another_tool_is_explained_with_the_command_to_type(tmp_path):
    model = onnx.load(networks.stateless(tmp_path / "bare.onnx"))
    model.graph.node[-1].output[0] = "before"
    model.graph.node.append(helper.make_node("Softmax", ["before"], ["output"], "last", axis=1))
    onnx.save(model, tmp_path / "bare.onnx")
    said = doctor(tmp_path / "bare.onnx")
    assert "probabilities that add up to 1 after Softmax" in said
    assert "normalization not known" in said
    assert "rtseg adopt" in said
