"""Tests the average of several networks' weights, and its refusals."""

import networks
import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from typer.testing import CliRunner

from rtseg.cli.app import app
from rtseg.engines.convert.weight_average import average
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


def test_none_of_them_is_written_over(three):
    before = three[0].read_bytes()
    with pytest.raises(ModelError, match=r"0\.5\.onnx is one of the models it is made of.*name another file"):
        average(three, three[0].parent / "." / three[0].name)
    assert three[0].read_bytes() == before


def test_a_mean_that_is_no_onnx_file_by_name(three, tmp_path):
    with pytest.raises(ModelError, match=r"does not end in \.onnx.*name an \.onnx file"):
        average(three, tmp_path / "mean.pt")


def test_weights_in_files_beside_the_network(three, tmp_path):
    for place, path in enumerate(three):
        onnx.save(onnx.load(path), path, save_as_external_data=True, location=f"{place}.data", size_threshold=0)
    average(three, tmp_path / "there" / "mean.onnx")
    assert np.allclose(weights(tmp_path / "there" / "mean.onnx")["sum"], 1.5)
    (tmp_path / "2.data").unlink()
    with pytest.raises(ModelError, match=r"3\.0\.onnx cannot be read as ONNX .*2\.data"):
        average(three, tmp_path / "there" / "mean.onnx")


def test_files_of_no_byte(tmp_path):
    (tmp_path / "empty.onnx").touch()
    with pytest.raises(ModelError, match=r"empty\.onnx cannot be read as ONNX \(it is empty\)"):
        average([tmp_path / "empty.onnx"] * 2, tmp_path / "mean.onnx")
    assert not (tmp_path / "mean.onnx").exists()


def test_weights_in_float16(three, tmp_path):
    network = onnx.load(three[0])
    for weight in network.graph.initializer:
        weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight).astype(np.float16), weight.name))
    onnx.save(network, three[0])
    with pytest.raises(ModelError, match="no float32 weights to average: export"):
        average([three[0]] * 2, tmp_path / "mean.onnx")


def test_a_full_disk(three, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx, "save", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(ModelError, match=r"mean\.onnx cannot be written \(No space left on device\): name a file"):
        average(three, tmp_path / "mean.onnx")


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
