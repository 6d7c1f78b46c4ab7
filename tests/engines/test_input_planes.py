"""Tests networks whose input consists of named planes, such as gray and phase symmetry."""

from pathlib import Path

import networks
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from rtseg import kernels
from rtseg.engines.base import METADATA_KEY, ModelSpec
from rtseg.engines.input_planes import fill_input
from rtseg.engines.load import load_engine
from rtseg.errors import EngineError, ModelError
from rtseg.frame import Frame
from rtseg.kernels.network.fit import letterbox
from rtseg.session.sector import WholeFrame
from rtseg.session.session import Session

SIZE = (64, 80)
SPEC = networks.spec(
    size=SIZE, states=(), planes=("gray", "phase_symmetry"), mean=(50.0, 120.0), std=(40.0, 10.0), logits_output="logits"
)


def bone() -> np.ndarray:
    """Return a faint ridge at row 90 in tissue that darkens downward, (128, 160) uint8."""
    y = np.arange(128)[:, None] + np.zeros(160)
    return np.rint(200 - 1.1 * y + 50 * np.exp(-((y - 90) ** 2) / 18)).astype(np.uint8)


def second_channel(path: Path) -> Path:
    """Write a network whose logit is its second channel."""
    shapes = {"image": (1, 2, *SIZE), "logits": (1, 1, *SIZE)}
    image, logits = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items())
    weights = numpy_helper.from_array(np.array([0, 1], np.float32).reshape(1, 2, 1, 1), "weights")
    graph = helper.make_graph(
        [helper.make_node("Conv", ["image", "weights"], ["logits"])], "second", [image], [logits], [weights]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {METADATA_KEY: SPEC.to_json()})
    onnx.save(model, path)
    return path


def test_each_plane_is_filled_with_its_own_normalization() -> None:
    image = bone()
    fit = letterbox((0, 0, *image.shape), SIZE)
    x = fill_input(SPEC, image, fit)
    view = kernels.grey_view(image, fit.box, SIZE)
    whole = letterbox((0, 0, *SIZE), SIZE)
    assert x.shape == (1, 2, *SIZE)
    assert np.array_equal(x[:, :1], kernels.fit_input(view, whole, (50.0,), (40.0,)))
    assert np.array_equal(x[:, 1:], kernels.fit_input(kernels.phase_symmetry(view), whole, (120.0,), (10.0,)))
    assert fill_input(SPEC, np.zeros_like(image), fit, x) is x
    assert x[0, :, 0, 0] == pytest.approx([-50 / 40, -120 / 10])


@pytest.mark.parametrize("engine", ["openvino", "onnx"])
def test_a_session_segments_by_the_second_channel(engine: str, tmp_path: Path) -> None:
    network = load_engine(second_channel(tmp_path / "second.onnx"), engine, trusted=True)
    try:
        assert network.spec == SPEC
        labels = Session(network, temporal=None, locator=WholeFrame()).step(Frame(bone(), 0, 0)).labels
    finally:
        network.close()
    rows = np.flatnonzero(labels[:, 40:-40].any(1))
    assert labels[90, 40:-40].all()
    assert rows.min() >= 80
    assert rows.max() <= 100


def test_a_spec_survives_its_json_and_plain_specs_stay() -> None:
    assert ModelSpec.from_json(SPEC.to_json()) == SPEC
    assert (networks.spec().planes, networks.spec().channels, SPEC.channels) == ((), 1, 2)


@pytest.mark.parametrize("planes", [("gray",), ("gray", "gray"), ("gray", "depth"), "gray", ("gray", 3), ("gray", {}), None, 7])
def test_impossible_planes_are_refused(planes: object) -> None:
    with pytest.raises(ModelError, match=r"its (planes|mean)"):
        networks.spec(mean=(50.0, 60.0), std=(40.0, 10.0), planes=planes)
    with pytest.raises(ModelError, match="its mean"):
        networks.spec(mean=(50.0, 60.0), std=(40.0, 10.0))


def test_an_array_on_a_gpu_is_refused() -> None:
    with pytest.raises(EngineError, match="--engine openvino or onnx"):
        fill_input(SPEC, object(), letterbox((0, 0, *SIZE), SIZE))


def test_a_spec_normalizes_by_the_picture_itself():
    frame = np.random.default_rng(2).integers(0, 256, (32, 48), np.uint8)
    whole = letterbox((0, 0, 32, 48), networks.SIZE)
    x = fill_input(networks.spec(normalization="zscore", mean=(0.0,), std=(1.0,)), frame, whole)
    assert (x.mean(), x.std()) == pytest.approx((0, 1), abs=1e-4)
