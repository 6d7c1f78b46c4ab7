"""One network of several: their mean, or a clear no."""

import networks
import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from typer.testing import CliRunner

from rtseg.cli.app import app
from rtseg.engines.average import average
from rtseg.engines.onnx import OnnxEngine
from rtseg.errors import ModelError


def weights(path):
    return {weight.name: numpy_helper.to_array(weight) for weight in onnx.load(path).graph.initializer}


@pytest.fixture
def three(tmp_path):
    return [networks.convolutional(tmp_path / f"{gain}.onnx", gain=gain) for gain in (0.5, 1.0, 3.0)]


def test_each_weight_is_the_mean_and_the_description_stays(three, tmp_path):
    out = tmp_path / "folder" / "mean.onnx"
    done = CliRunner().invoke(app, ["average", str(out), *map(str, three)])
    assert done.exit_code == 0, done.output
    found, expected = weights(out), [weights(path) for path in three]
    for name, value in found.items():
        np.testing.assert_allclose(value, np.mean([one[name] for one in expected], axis=0), rtol=1e-6)
    assert np.allclose(found["sum"], 1.5)
    assert OnnxEngine(out).spec == OnnxEngine(three[0]).spec
    assert [path.name for path in out.parent.iterdir()] == ["mean.onnx"]


def test_the_first_may_be_written_over(three):
    average(three, three[0])
    assert np.allclose(weights(three[0])["sum"], 1.5)


def test_networks_of_other_shapes_are_refused(three, tmp_path):
    other = networks.recurrent(tmp_path / "other.onnx")
    with pytest.raises(ModelError, match=r"other\.onnx is another network than .*0\.5\.onnx"):
        average([three[0], other], tmp_path / "mean.onnx")
    assert not (tmp_path / "mean.onnx").exists()


def test_whole_numbers_must_agree(three, tmp_path):
    for path, number in zip(three, (1, 2), strict=False):
        network = onnx.load(path)
        network.graph.initializer.append(numpy_helper.from_array(np.array([number]), "axes"))
        onnx.save(network, path)
    with pytest.raises(ModelError, match="axes is not the same"):
        average(three[:2], tmp_path / "mean.onnx")


def test_int8_is_refused(three, tmp_path):
    network = onnx.load(three[1])
    network.graph.node.append(onnx.helper.make_node("QuantizeLinear", ["image", "scale"], ["levels"]))
    onnx.save(network, three[1])
    with pytest.raises(ModelError, match="is in INT8"):
        average(three, tmp_path / "mean.onnx")


def test_one_network_and_no_network_are_refused(three, tmp_path):
    with pytest.raises(ModelError, match="name two or more"):
        average(three[:1], tmp_path / "mean.onnx")
    rubbish = tmp_path / "rubbish.onnx"
    rubbish.write_bytes(b"no network at all")
    with pytest.raises(ModelError, match="cannot be read as ONNX"):
        average([three[0], rubbish], tmp_path / "mean.onnx")
