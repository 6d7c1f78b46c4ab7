"""Tests the contract of every engine."""

from pathlib import Path

import networks
import numpy as np
import onnx
import pytest

from rtseg.engines.base import Engine
from rtseg.engines.load import ENGINES, load_engine
from rtseg.errors import EngineError, ModelError


@pytest.fixture(params=ENGINES)
def engine(request, tiny):
    made = load_engine(tiny, request.param)
    yield made
    made.close()


def _x(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(1, 1, *networks.SIZE)).astype(np.float32)


def _pooled(x: np.ndarray) -> np.ndarray:
    return x.reshape(1, 1, networks.HALF[0], 2, networks.HALF[1], 2).mean((3, 5))


def test_spec_comes_from_the_file(engine: Engine):
    assert engine.spec == networks.spec()


def test_memory_of_nothing_is_zero(engine: Engine):
    logits, _ = engine.infer(_x(0), engine.initial_state())
    np.testing.assert_allclose(logits, _pooled(_x(0)) / 2, atol=1e-5)


def test_memory_carries_on(engine: Engine):
    state, expected = engine.initial_state(), np.zeros((1, 1, *networks.HALF), np.float32)
    for seed in range(20):
        expected = (expected + _pooled(_x(seed))) / 2
        logits, state = engine.infer(_x(seed), state)
        np.testing.assert_allclose(logits, expected, atol=1e-5)


def test_a_state_may_be_kept_when_its_successor_is_not_wanted(engine: Engine):
    _, kept = engine.infer(_x(0), engine.initial_state())
    first = engine.infer(_x(1), kept)[0].copy()
    again = engine.infer(_x(1), kept)[0]
    np.testing.assert_array_equal(first, again)


def test_two_streams_do_not_touch(engine: Engine):
    here, there = engine.initial_state(), engine.initial_state()
    for seed in range(3):
        _, there = engine.infer(_x(seed), there)
    logits, _ = engine.infer(_x(9), here)
    np.testing.assert_allclose(logits, _pooled(_x(9)) / 2, atol=1e-5)


def test_no_copy_of_the_state(engine: Engine):
    start = engine.initial_state()
    _, first = engine.infer(_x(0), start)
    _, second = engine.infer(_x(1), first)
    assert first.now is start.spare
    assert second.now is start.now


def test_upload_and_download_keep_the_pixels(engine: Engine):
    image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    np.testing.assert_array_equal(engine.download(engine.upload(image)), image)


@pytest.mark.parametrize("wrong", [np.zeros((1, 1, 8, 8), np.float32), np.zeros((1, 1, *networks.SIZE), np.float64)])
def test_what_does_not_fit_is_refused(engine: Engine, wrong: np.ndarray):
    with pytest.raises(EngineError, match="tiny"):
        engine.infer(wrong, engine.initial_state())


def test_closed_twice_and_used_after(engine: Engine):
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="load it again"):
        engine.infer(_x(0), engine.initial_state())


@pytest.mark.parametrize("name", ENGINES)
class TestModelFiles:
    def test_no_onnx(self, name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
        broken = tmp_path / "broken.onnx"
        broken.write_bytes(b"not a network")
        with pytest.raises(ModelError, match=r"broken\.onnx is no ONNX model .* export it again"):
            load_engine(broken, name)
        assert capfd.readouterr() == ("", "")  # the error is the only output

    def test_no_metadata(self, name: str, tmp_path: Path):
        with pytest.raises(ModelError, match=r"does not say what it segments.*--size"):
            load_engine(networks.stateless(tmp_path / "bare.onnx"), name)

    def test_described_by_the_user(self, name: str, tmp_path: Path):
        described = networks.spec(states=())  # its port names are found in the file
        engine = load_engine(networks.stateless(tmp_path / "bare.onnx"), name, spec=described)
        logits, _ = engine.infer(_x(0), engine.initial_state())
        np.testing.assert_allclose(logits[0, 1], _x(0)[0, 0])

    @pytest.mark.parametrize(
        ("changes", "complaint"),
        [
            ({"size": (32, 32)}, "'image'"),
            ({"states": ()}, "takes"),
            ({"classes": ("a", "b", "c")}, "gives"),
            ({"image_input": "frame"}, r"has \{'image': .*'h_in': .*and no 'frame'"),
        ],
    )
    def test_metadata_that_lie(self, name: str, changes: dict, complaint: str, tmp_path: Path):
        with pytest.raises(ModelError, match=f"{complaint}.*export it again"):
            load_engine(networks.recurrent(tmp_path / "lie.onnx", networks.spec(**changes)), name)

    def test_a_memory_that_nobody_told_of_is_found_by_its_names(self, name: str, tmp_path: Path):
        path = networks.undescribed(networks.recurrent(tmp_path / "bare.onnx"))
        engine = load_engine(path, name, spec=networks.spec(states=(), image_input="x"))
        assert engine.spec.states == (networks.STATE,)

    def test_a_memory_that_no_output_clearly_writes_is_refused(self, name: str, tmp_path: Path):
        network = onnx.load(networks.undescribed(networks.recurrent(tmp_path / "bare.onnx")))
        for node in network.graph.node:
            node.input[:] = ["past" if one == "h_in" else one for one in node.input]
        network.graph.input[1].name = "past"
        network.graph.output[0].name = "logits"  # both outputs have the shape of the memory
        onnx.save(network, tmp_path / "bare.onnx")
        with pytest.raises(ModelError, match="--state INPUT:OUTPUT"):
            load_engine(tmp_path / "bare.onnx", name, spec=networks.spec(states=()))

    @pytest.mark.parametrize(
        ("port", "kind", "refused"),
        [
            ("input", "FLOAT16", ""),
            ("input", "DOUBLE", ""),
            ("input", "UINT8", ""),
            ("output", "FLOAT16", ""),
            ("output", "INT64", "gives int64 in 'output', which are no class indices"),
        ],
    )
    def test_other_dtypes_than_float32_are_converted_or_refused(
        self, name: str, port: str, kind: str, refused: str, tmp_path: Path
    ):
        network = onnx.load(networks.stateless(tmp_path / "typed.onnx"))
        inner = {"input": "x", "output": "output_32"}
        cast = {"input": ("input", "x", "FLOAT"), "output": ("output_32", "output", kind)}[port]
        for node in network.graph.node:
            for names in (node.input, node.output):
                names[:] = [inner[port] if one == port else one for one in names]
        node = onnx.helper.make_node("Cast", [cast[0]], [cast[1]], to=getattr(onnx.TensorProto, cast[2]))
        network.graph.node.insert(0 if port == "input" else len(network.graph.node), node)
        getattr(network.graph, port)[0].type.tensor_type.elem_type = getattr(onnx.TensorProto, kind)
        onnx.save(network, tmp_path / "typed.onnx")
        if refused:
            with pytest.raises(ModelError, match=refused):
                load_engine(tmp_path / "typed.onnx", name, spec=networks.spec(states=()))
            return
        scale = {"mean": (0.0,), "std": (1.0,)} if kind == "UINT8" else {}
        engine = load_engine(tmp_path / "typed.onnx", name, spec=networks.spec(states=(), **scale))
        x = np.rint(_x(0) * 20 + 100).astype(np.float32)
        logits, _ = engine.infer(x, engine.initial_state())
        np.testing.assert_allclose(logits, np.concatenate([-x, x], axis=1), rtol=1e-3)

    def test_dynamic_shapes_take_the_size_of_the_description(self, name: str, tmp_path: Path):
        described = networks.spec(states=(), image_input="input", logits_output="output")
        path = networks.stateless(tmp_path / "dynamic.onnx", described, size=("h", "w"))
        engine = load_engine(path, name)
        logits, _ = engine.infer(_x(0), engine.initial_state())
        np.testing.assert_allclose(logits, np.concatenate([-_x(0), _x(0)], axis=1))


def test_no_such_model():
    with pytest.raises(ModelError, match="no model 'nothing'"):
        load_engine("nothing")


def test_no_such_engine(tiny: Path):
    with pytest.raises(ModelError, match="choose auto, one of openvino, onnx"):
        load_engine(tiny, "tensorflow")


def test_wrong_suffix(tmp_path: Path):
    path = tmp_path / "weights.pt"
    path.write_bytes(b"torch")
    with pytest.raises(ModelError, match="rtseg export"):
        load_engine(path)
