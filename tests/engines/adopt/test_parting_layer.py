"""Tests that a refusal for other masks names the layer at which the engines part."""

from types import SimpleNamespace

import made_networks as made
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from rtseg.engines import openvino_runtime
from rtseg.engines.adopt.adoption import _check
from rtseg.engines.adopt.examination import examine_network
from rtseg.engines.adopt.parity import ParityResult
from rtseg.engines.adopt.parting_layer import first_parting_layer
from rtseg.errors import ModelError


class DeviatingCore(openvino_runtime.ov.Core):
    """Reads an ONNX model with other weights in its second convolution."""

    def read_model(self, content, *more):
        model = onnx.load_from_string(content)
        weight = next(one for one in model.graph.initializer if one.name == "mix.weight")
        weight.CopyFrom(numpy_helper.from_array(1.2 * numpy_helper.to_array(weight), weight.name))
        return super().read_model(model.SerializeToString(), *more)


@pytest.fixture
def path(tmp_path):
    return made.export(made.Blobs(2), tmp_path / "net.onnx")


def deviate(monkeypatch):
    monkeypatch.setattr(openvino_runtime, "ov", SimpleNamespace(Core=DeviatingCore))


def test_the_first_layer_that_differs_is_named(path, monkeypatch):
    assert first_parting_layer(path, "x") == ""
    deviate(monkeypatch)
    clause = first_parting_layer(path, "x")
    assert clause.startswith("; OpenVINO and ONNX Runtime part first at the Conv")
    assert "mix" in clause


def test_a_refusal_holds_it(path, monkeypatch):
    found = examine_network(path)
    _check(found, found, ParityResult(12, 0.9995, 0.9999, 1e-5))
    deviate(monkeypatch)
    with pytest.raises(ModelError, match=r"\(Dice 0.9000, 97.00% of the labels; OpenVINO .* the Conv .*mix.*\): report"):
        _check(found, found, ParityResult(12, 0.9, 0.97, 1e-2))


def test_a_file_that_cannot_be_compared_hides_no_refusal(tmp_path):
    (tmp_path / "broken.onnx").write_bytes(np.arange(9, dtype=np.uint8).tobytes())
    assert first_parting_layer(tmp_path / "broken.onnx", "x") == ""
    assert first_parting_layer(tmp_path / "net.xml", "x") == ""
