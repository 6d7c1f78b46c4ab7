"""Tests INT8 quantization for every engine: symmetric, calibrated on real states, and close to the FP32 network."""

from itertools import pairwise

import networks
import numpy as np
import onnx
import openvino as ov
import pytest
from onnx import TensorProto, numpy_helper

from rtseg.engines.convert.quantize import MIN_CLIP_FRAMES, PromptedImage, _calibration_feeds, quantize_model
from rtseg.engines.load import load_engine
from rtseg.engines.onnx import OnnxEngine
from rtseg.errors import ModelError
from rtseg.kernels import fit_input, letterbox

SHAPE = (64, 96)


def clip(seed, frames=12):
    """Draw a bright square that moves over noise."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 90, (frames, *SHAPE), np.uint8)
    for place, image in enumerate(images):
        image[20 + place : 50 + place, 30:60] += 130
    return list(images)


@pytest.fixture(scope="module")
def fp32(tmp_path_factory):
    return networks.convolutional(tmp_path_factory.mktemp("fp32") / "net.onnx")


@pytest.fixture(scope="module")
def int8(fp32):
    quantize_model(fp32, fp32.with_name("int8.onnx"), [clip(0), clip(1)])
    return fp32.with_name("int8.onnx")


def values_of(path):
    """Return the network and its constants by name."""
    network = onnx.load(path)
    return network, {constant.name: numpy_helper.to_array(constant) for constant in network.graph.initializer}


def run(path, engine, images):
    """Return the logits of each frame, with the state carried on."""
    network = load_engine(path, engine)
    state, found = network.initial_state(), []
    for image in images:
        logits, state = network.infer(input_of(network.spec, image), state)
        found.append(logits.copy())
    network.close()
    return np.stack(found)


def input_of(spec, image):
    return fit_input(image, letterbox((0, 0, *image.shape), spec.size), spec.mean, spec.std)


def test_what_tensorrt_takes(int8):
    """TensorRT's parser reads only Q/DQ pairs in symmetric int8 with one weight scale per channel and float biases."""
    network, constants = values_of(int8)
    pairs = [node for node in network.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert sum(node.op_type == "QuantizeLinear" for node in pairs) == 3  # one per input; weights are stored as int8
    for node in pairs:
        zero_point = constants[node.input[2]]
        assert zero_point.dtype == np.int8
        assert not zero_point.any()
    stored = [node for node in pairs if node.input[0] in constants]
    assert {constants[node.input[0]].shape: constants[node.input[1]].shape for node in stored} == {
        (4, 1, 3, 3): (4,),
        (4, 4, 1, 1): (4,),
        (1, 4, 1, 1): (1,),
    }
    last = next(node for node in network.graph.node if node.name == "last")
    assert constants[last.input[2]].dtype == np.float32


def test_ports_and_description_survive_and_nothing_else_is_written(fp32, int8):
    network, _ = values_of(int8)
    assert load_engine(int8).spec == load_engine(fp32).spec
    assert [entry.key for entry in network.metadata_props] == ["rtseg.spec"]
    assert [opset.domain for opset in network.opset_import] == [""]
    ports = [*network.graph.input, *network.graph.output]
    assert [port.name for port in ports] == ["image", "h_in", "logits", "h_out"]
    assert {port.type.tensor_type.elem_type for port in ports} == {TensorProto.FLOAT}
    assert sorted(path.name for path in int8.parent.iterdir()) == ["int8.onnx", "net.onnx"]


def test_openvino_runs_the_convolutions_in_int8(int8):
    graph = ov.Core().compile_model(str(int8), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}).get_runtime_model()
    about = [node.get_rt_info() for node in graph.get_ordered_ops()]
    kinds = [info["runtimePrecision"].astype(str) for info in about if info["layerType"].astype(str) == "Convolution"]
    assert len(kinds) == 3
    assert set(kinds) <= {"i8", "u8"}  # depends on the processor: some instructions multiply unsigned by signed


@pytest.mark.parametrize("engine", ["openvino", "onnx"])
def test_either_engine_follows_fp32_through_a_long_clip(fp32, int8, engine):
    images = clip(7, 14) * 5
    error = np.abs(run(int8, engine, images) - run(fp32, "onnx", images)).max()
    assert 1e-5 < error < 0.1  # logits range from -1.6 to 2.4


def test_the_memory_is_calibrated_on_what_it_holds(fp32, int8):
    """The scale of the state's input is its largest value in the clips, each of which starts with a state of zeros."""
    network, constants = values_of(int8)
    seen = 0.0
    engine = load_engine(fp32, "onnx")
    for images in (clip(0), clip(1)):
        state = engine.initial_state()
        for image in images:
            seen = max(seen, float(np.abs(state.now[0]).max()))
            _, state = engine.infer(input_of(engine.spec, image), state)
    quantiser = next(n for n in network.graph.node if n.op_type == "QuantizeLinear" and n.input[0] == "h_in")
    assert constants[quantiser.input[1]] == pytest.approx(seen / 127, rel=0.01)
    assert seen > 0.9


def test_the_memory_starts_afresh_with_each_clip(fp32, tmp_path, monkeypatch):
    empty, infer = [], OnnxEngine.infer
    monkeypatch.setattr(
        OnnxEngine, "infer", lambda engine, x, state: empty.append(not state.now[0].any()) or infer(engine, x, state)
    )
    quantize_model(fp32, tmp_path / "int8.onnx", [clip(0, 5), clip(1, 6)])
    assert [step for step, value in enumerate(empty) if value] == [0, 5]
    assert len(empty) == 11


def test_a_still_is_held_until_the_memory_knows_it(fp32, tmp_path):
    made = quantize_model(fp32, tmp_path / "int8.onnx", [clip(0, 1), clip(1, 2)])
    assert made.frames == 2 * MIN_CLIP_FRAMES
    network, constants = values_of(tmp_path / "int8.onnx")
    quantiser = next(n for n in network.graph.node if n.op_type == "QuantizeLinear" and n.input[0] == "h_in")
    assert constants[quantiser.input[1]] * 127 > 0.9


def test_a_clip_is_read_frame_by_frame(fp32, tmp_path):
    read = []

    def frames():
        for image in clip(0):
            read.append(len(list(tmp_path.glob(".quantize-*"))))
            yield image

    assert quantize_model(fp32, tmp_path / "int8.onnx", iter([frames()])).frames == len(read) == 12
    assert set(read) == {1}  # no frame was read before the output was being written


def test_what_shall_stay_in_float_does(fp32, tmp_path):
    made = quantize_model(fp32, tmp_path / "int8.onnx", [clip(0, 4)], in_float=["mem*"])
    assert (sorted(made.in_int8), made.in_float) == (["first", "last"], ("memory",))
    network, _ = values_of(tmp_path / "int8.onnx")
    producers = {output: node.op_type for node in network.graph.node for output in node.output}
    kinds = {node.name: producers.get(node.input[0]) for node in network.graph.node if node.op_type == "Conv"}
    assert kinds == {"first": "DequantizeLinear", "last": "DequantizeLinear", "memory": None}


@pytest.mark.parametrize(
    ("model", "options", "complaint"),
    [
        ("net", {"in_float": ["conv9"]}, r"no convolution named 'conv9': its names are .*memory"),
        ("net", {"in_float": ["*"]}, "no convolution to quantize: run it as it is"),
        ("int8", {}, "quantized already: give the FP32 file"),
        ("tiny", {}, "no convolution to quantize"),
        ("broken", {"trusted": True}, "gives NaN or infinity at frame 1"),
        ("nan", {"trusted": True}, "has NaN in its weights 'sum'"),
        ("text", {}, "is no ONNX model"),
        ("bare", {}, "does not say what it segments"),
    ],
)
def test_what_cannot_be_quantized(fp32, int8, tiny, tmp_path, model, options, complaint):
    (tmp_path / "text.onnx").write_bytes(b"not a network")
    networks.convolutional(tmp_path / "nan.onnx", gain=np.nan)
    networks.convolutional(tmp_path / "broken.onnx", answers_nan=True)
    networks.stateless(tmp_path / "bare.onnx")
    path = {"net": fp32, "int8": int8, "tiny": tiny}.get(model, tmp_path / f"{model}.onnx")
    out = tmp_path / "out" / "out.onnx"
    out.parent.mkdir()
    out.write_bytes(b"old")
    with pytest.raises(ModelError, match=complaint):
        quantize_model(path, out, [clip(0)], **options)
    assert [(path.name, path.read_bytes()) for path in out.parent.iterdir()] == [("out.onnx", b"old")]


def test_the_fp32_model_is_not_overwritten(fp32):
    before = fp32.read_bytes()
    with pytest.raises(ModelError, match=r"is one of the models it is made of.*name another file"):
        quantize_model(fp32, fp32.parent / "." / fp32.name, [clip(0)])
    assert fp32.read_bytes() == before


@pytest.mark.parametrize(
    ("opset", "ir", "complaint"),
    [(11, 8, "of opset 11.*again with opset 13 or later"), (13, 3, "of IR 3.*again with IR 4 or later")],
)
def test_files_too_old_for_int8(fp32, tmp_path, opset, ir, complaint):
    network = onnx.load(fp32)
    network.opset_import[0].version, network.ir_version = opset, ir
    shapes = [onnx.helper.make_tensor_value_info(w.name, w.data_type, w.dims) for w in network.graph.initializer]
    network.graph.input.extend(shapes if ir < 4 else [])
    onnx.save(network, tmp_path / "old.onnx")
    with pytest.raises(ModelError, match=complaint):
        quantize_model(tmp_path / "old.onnx", tmp_path / "int8.onnx", [clip(0, 4)])


def test_weights_in_a_file_beside_the_network(fp32, int8, tmp_path):
    onnx.save(onnx.load(fp32), tmp_path / "net.onnx", save_as_external_data=True, location="net.data", size_threshold=0)
    quantize_model(tmp_path / "net.onnx", tmp_path / "there" / "int8.onnx", [clip(0), clip(1)])
    assert (tmp_path / "there" / "int8.onnx").read_bytes() == int8.read_bytes()


def test_what_the_tools_do_not_take_is_said_in_a_line(fp32, tmp_path, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("\nhalf a node\nstack")

    monkeypatch.setattr("rtseg.engines.convert.quantize.quantize_static", broken)
    with pytest.raises(ModelError, match=r"cannot quantize .*net\.onnx \(half a node\): export it again"):
        quantize_model(fp32, tmp_path / "int8.onnx", [clip(0, 4)])


@pytest.mark.parametrize("clips", [[], [[]]])
def test_nothing_to_calibrate_on(fp32, tmp_path, clips):
    with pytest.raises(ModelError, match="no frame to calibrate on: give a clip"):
        quantize_model(fp32, tmp_path / "int8.onnx", clips)


def test_the_same_clips_give_the_same_bytes(fp32, tmp_path):
    made = [tmp_path / name for name in ("a.onnx", "b.onnx")]
    for path in made:
        quantize_model(fp32, path, [clip(0, 4)])
    assert all(one.read_bytes() == other.read_bytes() for one, other in pairwise(made))


def test_what_is_pointed_at_in_a_clip_is_in_the_states_of_its_calibration(tmp_path):
    path = networks.recurrent(tmp_path / "tiny.onnx")
    picture, point = np.full(networks.SIZE, 90, np.uint8), np.full(networks.STATE.shape, 3, np.float32)
    clip = [picture, PromptedImage(picture, {"h_in": point}), picture, picture]
    feeds = [feed["h_in"].copy() for feed in _calibration_feeds(path, networks.spec(), [clip])]
    assert not feeds[0].any()
    assert np.array_equal(feeds[1], point)
    assert feeds[2].mean() > 1
