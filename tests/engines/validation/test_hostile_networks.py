"""Tests hostile networks: the check of weights, metadata and external files refuses them, and accepts valid files."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import networks
import numpy as np
import onnx
import psutil
import pytest
from onnx import TensorProto, helper, numpy_helper

from rtseg.engines.base import ModelSpec
from rtseg.engines.convert.weight_average import average
from rtseg.engines.load import load_engine
from rtseg.engines.onnx import OnnxEngine
from rtseg.engines.openvino import OpenVinoEngine
from rtseg.engines.profile import profile_network
from rtseg.engines.validation import examination, weight_check
from rtseg.engines.validation.examination import TrialLimits, examine
from rtseg.engines.validation.onnx_file import OnnxFile
from rtseg.engines.validation.weight_check import check_weights
from rtseg.errors import ModelError

pytestmark = pytest.mark.attack
ENGINES = ("onnx", "openvino")
SPEC = networks.spec(states=())
KERNEL = (4, 1, 3, 3)
CONV = [
    helper.make_node("Conv", ["image", "w"], ["a"], pads=[1, 1, 1, 1]),
    helper.make_node("Relu", ["a"], ["b"]),
    helper.make_node("Conv", ["b", "v"], ["logits"]),
]
LAST = numpy_helper.from_array(np.ones((1, 4, 1, 1), np.float32), "v")


@pytest.fixture(autouse=True)
def untrusted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(examination.TRUST, "0")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def network(path: Path, nodes: list, constants: list, functions: list | None = None) -> Path:
    image, logits = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 1, *networks.SIZE)) for name in ("image", "logits")
    )
    graph = helper.make_graph(nodes, "hostile", [image], [logits], constants)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9, functions=functions or []), path)
    return path


def kernel(value: float) -> np.ndarray:
    weights = np.full(KERNEL, 0.1, np.float32)
    weights[2, 0, 1, 1] = value
    return weights


def convolving(path: Path, weight: onnx.TensorProto) -> Path:
    """Write two convolutions, the first with `weight` cast to float32."""
    weight.name = "typed"
    return network(path, [helper.make_node("Cast", ["typed"], ["w"], to=TensorProto.FLOAT), *CONV], [weight, LAST])


def typed(kind: int, value: float) -> onnx.TensorProto:
    """Create a tensor with its values in a typed field instead of raw_data."""
    return helper.make_tensor("typed", kind, KERNEL, kernel(value).flatten().tolist())


def raw(kind: int, code: bytes) -> onnx.TensorProto:
    return helper.make_tensor("typed", kind, KERNEL, code * 36, raw=True)


NAN_TENSORS = {
    "float32": lambda: numpy_helper.from_array(kernel(np.nan)),
    "float64": lambda: numpy_helper.from_array(kernel(np.nan).astype(np.float64)),
    "float16": lambda: numpy_helper.from_array(kernel(np.nan).astype(np.float16)),
    "bfloat16": lambda: raw(TensorProto.BFLOAT16, b"\xc0\x7f"),
    "float8e4m3fn": lambda: raw(TensorProto.FLOAT8E4M3FN, b"\x7f"),
    "float8e5m2": lambda: raw(TensorProto.FLOAT8E5M2, b"\x7e"),
    "float_data": lambda: typed(TensorProto.FLOAT, np.nan),
    "double_data": lambda: typed(TensorProto.DOUBLE, np.nan),
    "float16 in int32_data": lambda: typed(TensorProto.FLOAT16, np.nan),
    "bfloat16 in int32_data": lambda: typed(TensorProto.BFLOAT16, np.nan),
}


@pytest.mark.parametrize("kind", NAN_TENSORS)
def test_nan_is_found_in_every_type_and_field(tmp_path: Path, kind: str) -> None:
    path = convolving(tmp_path / "bad.onnx", NAN_TENSORS[kind]())
    with pytest.raises(ModelError, match=r"bad\.onnx has NaN in its weights 'typed': train and export it again"):
        check_weights(path)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16])
@pytest.mark.parametrize("value", [0.1, -65504.0])
def test_numbers_in_typed_fields_pass(tmp_path: Path, kind: int, value: float) -> None:
    assert check_weights(convolving(tmp_path / "good.onnx", typed(kind, value))).tensors


def hidden_nan(path: Path, place: str) -> Path:
    """Write a network with NaN outside its top-level initializers."""
    bad = numpy_helper.from_array(kernel(np.nan), "inner")
    out = helper.make_tensor_value_info("chosen", TensorProto.FLOAT, KERNEL)
    if place == "Constant":
        return network(path, [helper.make_node("Constant", [], ["w"], value=bad), *CONV], [LAST])
    if place == "attribute":
        nodes = [helper.make_node("LeakyRelu", ["image"], ["x"], alpha=np.nan), helper.make_node("Relu", ["x"], ["logits"])]
        return network(path, nodes, [])
    if place == "sparse":
        values = helper.make_tensor("w", TensorProto.FLOAT, [1], [np.nan])
        sparse = helper.make_sparse_tensor(values, helper.make_tensor("at", TensorProto.INT64, [1], [0]), [36])
        return network(path, [helper.make_node("Constant", [], ["w"], sparse_value=sparse), *CONV], [LAST])
    if place == "function":
        body = [helper.make_node("Constant", [], ["w"], value=bad), helper.make_node("Conv", ["x", "w"], ["y"])]
        function = helper.make_function("own", "Bad", ["x"], ["y"], body, [helper.make_opsetid("", 17)])
        return network(path, [helper.make_node("Bad", ["image"], ["logits"], domain="own")], [], [function])
    inner = helper.make_graph([helper.make_node("Identity", ["inner"], ["chosen"])], "inner", [], [out], [bad])
    nodes = [helper.make_node("If", ["never"], ["w"], then_branch=inner, else_branch=inner), *CONV]
    return network(path, nodes, [numpy_helper.from_array(np.array(False), "never"), LAST])


@pytest.mark.parametrize("place", ["Constant", "attribute", "sparse", "function", "branch"])
def test_nan_is_found_wherever_it_hides(tmp_path: Path, place: str) -> None:
    with pytest.raises(ModelError, match="has NaN in"):
        check_weights(hidden_nan(tmp_path / "bad.onnx", place))


LOADERS: dict[str, Callable[[Path], object]] = {
    "openvino trusted": lambda path: load_engine(path, "openvino", spec=SPEC, trusted=True),
    "onnx trusted": lambda path: load_engine(path, "onnx", spec=SPEC, trusted=True),
    "several": lambda path: load_engine(path, "openvino,onnx", spec=SPEC, trusted=True),
    "OpenVinoEngine": lambda path: OpenVinoEngine(path, SPEC),
    "OnnxEngine": lambda path: OnnxEngine(path, SPEC),
    "cost": profile_network,
    "average": lambda path: average([path, path], path.with_name("mean.onnx")),
}


@pytest.mark.parametrize("loader", LOADERS)
def test_nan_is_refused_by_whatever_loads_a_network_even_if_trusted(tmp_path: Path, loader: str) -> None:
    path = network(tmp_path / "nan.onnx", CONV, [numpy_helper.from_array(kernel(np.nan), "w"), LAST])
    with pytest.raises(ModelError, match="has NaN in its weights 'w'"):
        LOADERS[loader](path)


def test_nan_that_is_computed_once_and_for_all_is_refused(tmp_path: Path) -> None:
    """0 / 0 is folded into a weight, for which OpenVINO returns finite but wrong logits."""
    zeros = numpy_helper.from_array(np.zeros(KERNEL, np.float32), "zeros")
    path = network(tmp_path / "folded.onnx", [helper.make_node("Div", ["zeros", "zeros"], ["w"]), *CONV], [zeros, LAST])
    engine = load_engine(path, spec=SPEC, trusted=True)
    logits, _ = engine.infer(np.ones((1, 1, *networks.SIZE), np.float32), engine.initial_state())
    assert np.isfinite(logits).all()  # if this fails, rtseg's check is no longer needed
    with pytest.raises(ModelError, match="computes weights that are NaN"):
        load_engine(path, spec=SPEC)


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinity_in_a_convolution_is_refused_though_a_relu_may_hide_it(tmp_path: Path, value: float) -> None:
    path = convolving(tmp_path / "bad.onnx", numpy_helper.from_array(kernel(value)))
    with pytest.raises(ModelError, match="has infinity in its weights"):
        check_weights(path)


def hidden_infinity(path: Path, place: str) -> Path:
    """A network in which infinity reaches a convolution by a way that a look at names alone would take for a mask."""
    bad, alpha = numpy_helper.from_array(kernel(np.inf), "inner"), helper.make_attribute("alpha", np.inf)
    opset = [helper.make_opsetid("", 17)]
    if place == "Constant":
        constant = helper.make_node("Constant", [], ["s"], value_float=np.inf)
        return network(path, [constant, helper.make_node("Mul", ["image", "s"], ["logits"])], [])
    if place == "default of a function":
        inner = helper.make_node("LeakyRelu", ["x"], ["y"])
        inner.attribute.append(onnx.AttributeProto(name="alpha", ref_attr_name="alpha", type=onnx.AttributeProto.FLOAT))
        function = helper.make_function("own", "Leaky", ["x"], ["y"], [inner], opset, attribute_protos=[alpha])
        return network(path, [helper.make_node("Leaky", ["image"], ["logits"], domain="own")], [], [function])
    if place == "result of a function":
        function = helper.make_function("own", "Weight", [], ["o"], [helper.make_node("Constant", [], ["o"], value=bad)], opset)
        return network(path, [helper.make_node("Weight", [], ["k"], domain="own"), *renamed("k")], [LAST], [function])
    if place == "a function named as a mask":
        body = [helper.make_node("Conv", ["x", "w"], ["y"])]
        function = helper.make_function("own", "Add", ["x", "w"], ["y"], body, opset)
        return network(path, [helper.make_node("Add", ["image", "inner"], ["logits"], domain="own")], [bad], [function])
    out = helper.make_tensor_value_info("chosen", TensorProto.FLOAT, KERNEL)
    branch = helper.make_graph([helper.make_node("Identity", ["inner"], ["chosen"])], "inner", [], [out], [bad])
    nodes = [helper.make_node("If", ["never"], ["w"], then_branch=branch, else_branch=branch), *CONV]
    return network(path, nodes, [numpy_helper.from_array(np.array(False), "never"), LAST])


def renamed(weight: str) -> list[onnx.NodeProto]:
    """Two convolutions, the first with another name for its weight."""
    return [helper.make_node("Identity", [weight], ["w"]), *CONV]


@pytest.mark.parametrize(
    "place", ["Constant", "default of a function", "result of a function", "a function named as a mask", "branch"]
)
def test_infinity_is_found_wherever_it_hides(tmp_path: Path, place: str) -> None:
    with pytest.raises(ModelError, match="has infinity in"):
        check_weights(hidden_infinity(tmp_path / "bad.onnx", place))


def test_a_function_in_the_place_of_a_standard_mask_is_no_mask(tmp_path: Path) -> None:
    body = [helper.make_node("Conv", ["x", "w"], ["y"])]
    function = helper.make_function("", "Add", ["x", "w"], ["y"], body, [helper.make_opsetid("", 17)])
    bad = numpy_helper.from_array(kernel(np.inf), "inner")
    path = network(tmp_path / "bad.onnx", [helper.make_node("Add", ["image", "inner"], ["logits"])], [bad], [function])
    with pytest.raises(ModelError, match="has infinity in its weights 'inner'"):
        check_weights(path)


def masked(kind: str) -> list[onnx.NodeProto]:
    """Return nodes that use -inf in `m` to mask or bound the image."""
    softmax = helper.make_node("Softmax", ["masked"], ["logits"])
    if kind == "Add":
        return [helper.make_node("Add", ["image", "m"], ["masked"]), softmax]
    if kind == "Where":
        expand = helper.make_node("Expand", ["m", "shape"], ["wide"])
        less = helper.make_node("Less", ["image", "low"], ["dark"])
        return [less, expand, helper.make_node("Where", ["dark", "wide", "image"], ["masked"]), softmax]
    if kind == "Clip":
        return [helper.make_node("Clip", ["image", "m"], ["logits"])]
    shaped = [
        helper.make_node("Slice", ["m", "zero", "one", "three"], ["corner"]),
        helper.make_node("Squeeze", ["corner"], ["p"]),
    ]
    pool = helper.make_node("MaxPool", ["padded"], ["logits"], kernel_shape=[3, 3])
    return [*shaped, helper.make_node("Pad", ["image", "pads", "p"], ["padded"]), pool]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", ["Add", "Where", "Clip", "Pad"])
def test_infinity_that_masks_is_allowed(tmp_path: Path, kind: str, engine: str) -> None:
    mask = np.full((1, 1, 1, networks.SIZE[1]), -np.inf, np.float32)
    mask[..., 5:] = 0 if kind == "Add" else -np.inf
    arrays = {
        "m": mask.reshape(-1)[:1].reshape(()) if kind == "Clip" else mask,
        "shape": np.array([1, 1, *networks.SIZE]),
        "low": np.array(0, np.float32),
        "zero": np.array([0]),
        "one": np.array([1]),
        "three": np.array([3]),
        "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
    }
    constants = [numpy_helper.from_array(values, name) for name, values in arrays.items()]
    examine(network(tmp_path / "mask.onnx", masked(kind), constants), engine, SPEC)


class TestWeightsBesideTheModel:
    def external(self, tmp_path: Path, location: str) -> Path:
        folder = tmp_path / "model"
        folder.mkdir(exist_ok=True)
        path = network(folder / "outside.onnx", CONV, [numpy_helper.from_array(kernel(0.1), "w"), LAST])
        model = onnx.load(path)
        weight = model.graph.initializer[0]
        weight.ClearField("raw_data")
        weight.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", "0"), ("length", "144")):
            weight.external_data.add(key=key, value=value)
        path.write_bytes(model.SerializeToString())
        return path

    @pytest.mark.parametrize("place", ["../secret.bin", "absolute", "link.bin", "sub/../../secret.bin"])
    def test_a_file_outside_its_folder_is_refused(self, tmp_path: Path, place: str) -> None:
        kernel(0.1).tofile(tmp_path / "secret.bin")
        path = self.external(tmp_path, str(tmp_path / "secret.bin") if place == "absolute" else place)
        (path.parent / "link.bin").symlink_to("../secret.bin")
        for engine in ENGINES:
            with pytest.raises(ModelError, match="outside its folder: put both files into one folder"):
                load_engine(path, engine, spec=SPEC, trusted=True)

    @pytest.mark.parametrize("kind", ["fifo", "device", "nothing"])
    def test_what_is_no_file_is_not_opened(self, tmp_path: Path, kind: str) -> None:
        path = self.external(tmp_path, "weights.bin")
        if kind == "fifo":
            os.mkfifo(path.parent / "weights.bin")
        if kind == "device":
            (path.parent / "weights.bin").symlink_to("/dev/zero")
        for engine in ENGINES:
            with pytest.raises(ModelError, match=r"weights\.bin"):
                load_engine(path, engine, spec=SPEC)

    @pytest.mark.parametrize("engine", ENGINES)
    def test_numbers_pass_and_nan_does_not(self, tmp_path: Path, engine: str) -> None:
        path = self.external(tmp_path, "weights.bin")
        kernel(0.1).tofile(path.parent / "weights.bin")
        load_engine(path, engine, spec=SPEC).close()
        kernel(np.nan).tofile(path.parent / "weights.bin")
        with pytest.raises(ModelError, match="has NaN"):
            load_engine(path, engine, spec=SPEC, trusted=True)
        (path.parent / "weights.bin").write_bytes(b"short")
        with pytest.raises(ModelError, match="does not hold all the weights"):
            load_engine(path, engine, spec=SPEC, trusted=True)

    def test_a_hubs_cache_of_links_passes(self, tmp_path: Path) -> None:
        """A hub keeps both files under other names in one folder, and links to them from another."""
        path = self.external(tmp_path, "weights.bin")
        blobs = tmp_path / "blobs"
        blobs.mkdir()
        kernel(0.1).tofile(blobs / "b1")
        path.rename(blobs / "b2")
        (path.parent / "weights.bin").symlink_to(blobs / "b1")
        path.symlink_to(blobs / "b2")
        assert check_weights(path).tensors

    def test_they_count_for_the_limits(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path, seen = self.external(tmp_path, "weights.bin"), list[TrialLimits]()
        with (path.parent / "weights.bin").open("wb") as file:
            file.truncate(100 << 20)
        monkeypatch.setattr(examination, "_run_child", lambda *arguments: seen.append(arguments[-1]))
        examine(path, "openvino", SPEC)
        assert seen == [TrialLimits.of(100 << 20)]


@pytest.mark.parametrize(
    "changes",
    [
        {"classes": "ab"},
        {"classes": {"a": 1}},
        {"classes": ["a\x1b[31m"]},
        {"classes": ["a\nb"]},
        {"classes": [""]},
        {"name": ["x"]},
        {"name": "x" * 1000},
        {"mean": [10**400]},
        {"mean": [True]},
        {"std": [1e300]},
        {"size": [True, 48]},
        {"single": {}},
        {"ellipse": "lumen"},
        {"image_input": 5},
        {"states": [{"input": "h", "output": "o", "shape": [1]}] * 2},
        {"states": [{"input": "h", "output": "o", "shape": [-1]}]},
        {"states": [{"input": "h", "output": "o", "shape": "12"}]},
        {"states": [{"input": 1, "output": "o", "shape": [1]}]},
    ],
    ids=lambda changes: next(iter(changes)) + " " + ascii(next(iter(changes.values())))[:20],
)
def test_a_description_of_wrong_types_is_refused_in_one_short_line(changes: dict) -> None:
    with pytest.raises(ModelError) as raised:
        ModelSpec.from_json(json.dumps(json.loads(SPEC.to_json()) | changes))
    assert len(str(raised.value)) < 800
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("changes", [{"name": "[bold red]x[/nope]"}, {"classes": ["[/]"]}, {"classes": ["a[link=x]b"]}])
def test_markup_in_a_description_is_refused(changes: dict) -> None:
    with pytest.raises(ModelError, match=r"description is wrong: its (name|classes)"):
        ModelSpec.from_json(json.dumps(json.loads(SPEC.to_json()) | changes))


def test_two_descriptions_or_one_without_end_are_refused(tmp_path: Path) -> None:
    path = networks.recurrent(tmp_path / "two.onnx")
    model = onnx.load(path)
    model.metadata_props.append(model.metadata_props[0])
    onnx.save(model, path)
    with pytest.raises(ModelError, match="2 descriptions"):
        load_engine(path, trusted=True)
    del model.metadata_props[1:]
    model.metadata_props[0].value += " " * 1_000_000
    onnx.save(model, path)
    with pytest.raises(ModelError, match=r"a description of 1\d{6} characters"):
        load_engine(path, trusted=True)


class TestTheWireFormat:
    """Tests the parser with malformed files that no exporter writes."""

    @pytest.mark.parametrize(
        "content",
        [b"", b"\x3a", b"\x3a\xff\xff\xff\xff\x0f", b"\x3b", b"\xff" * 20, b"not a network", b"\x3a\x02\x0a\x7f"],
        ids=["empty", "no length", "cut off", "group", "varint", "words", "inner"],
    )
    def test_what_is_no_protobuf_is_refused(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "odd.onnx").write_bytes(content)
        with pytest.raises(ModelError, match="is no ONNX model"):
            OnnxFile.read(tmp_path / "odd.onnx")

    def test_graphs_within_graphs_without_end_are_refused(self, tmp_path: Path) -> None:
        def message(number: int, content: bytes) -> bytes:
            size, coded = len(content), bytearray()
            while size > 127:
                coded.append(size & 127 | 128)
                size >>= 7
            return bytes([number << 3 | 2, *coded, size]) + content

        graph = b""
        for _ in range(2000):
            graph = message(1, message(5, message(6, graph)))  # a node with an attribute that is a graph
        (tmp_path / "deep.onnx").write_bytes(message(7, graph))
        with pytest.raises(ModelError, match="nested more than"):
            OnnxFile.read(tmp_path / "deep.onnx")

    def test_fields_without_end_are_refused(self, tmp_path: Path) -> None:
        (tmp_path / "many.onnx").write_bytes(b"\x3a\x80\x89\x7a" + b"\x0a\x00" * 1_000_000)  # a graph of a million empty nodes
        with pytest.raises(ModelError, match=r"is no ONNX model"):
            OnnxFile.read(tmp_path / "many.onnx")

    def test_a_value_that_stands_there_twice_is_refused(self, tmp_path: Path) -> None:
        """Engines merge repeated values: a check of each value alone would miss NaN whose type stands in the first."""
        path = network(tmp_path / "twice.onnx", [helper.make_node("Constant", [], ["w"], value=LAST), *CONV], [LAST])
        coded, tensor = path.read_bytes(), LAST.SerializeToString()
        once = b"\x2a" + bytes([len(tensor)]) + tensor
        assert coded.count(once) == 2  # in the attribute, and as the initializer, whose number is the same
        model = onnx.load(path)
        attribute = model.graph.node[0].attribute[0].SerializeToString() + once
        node = model.graph.node[0].SerializeToString()
        whole = model.graph.node[0].attribute[0].SerializeToString()
        longer = node.replace(b"\x2a" + bytes([len(whole)]) + whole, b"\x2a" + bytes([len(attribute)]) + attribute)
        graph = model.graph.SerializeToString().replace(
            b"\x0a" + bytes([len(node)]) + node, b"\x0a" + bytes([len(longer) & 127 | 128, len(longer) >> 7]) + longer
        )
        path.write_bytes(b"\x3a" + bytes([len(graph) & 127 | 128, len(graph) >> 7]) + graph)
        with pytest.raises(ModelError, match="stands in it twice"):
            OnnxFile.read(path)

    @pytest.mark.parametrize("seed", range(20))
    def test_mutations_raise_nothing_else(self, tmp_path: Path, seed: int) -> None:
        rng = np.random.default_rng(seed)
        content = np.frombuffer(networks.convolutional(tmp_path / "net.onnx").read_bytes(), np.uint8)
        for _ in range(50):
            mutant = content.copy()
            mutant[rng.integers(0, len(mutant), 8)] = rng.integers(0, 256, 8)
            (tmp_path / "mutant.onnx").write_bytes(mutant[: rng.integers(1, len(mutant) + 1)].tobytes())
            with suppress(ModelError):
                check_weights(tmp_path / "mutant.onnx")


def loops_when_small(path: Path) -> Path:
    """Write a network whose loop runs once at its own input size, and forever at any other."""
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Identity", ["going"], ["go_on"]), helper.make_node("Neg", ["x_in"], ["x_out"])],
        "body",
        [value("turn", TensorProto.INT64, []), value("going", TensorProto.BOOL, []), value("x_in", TensorProto.FLOAT, [1])],
        [value("go_on", TensorProto.BOOL, []), value("x_out", TensorProto.FLOAT, [1])],
    )
    nodes = [
        helper.make_node("ReduceMax", ["image"], ["brightest"], keepdims=0),
        helper.make_node("Reshape", ["brightest", "one"], ["x"]),
        helper.make_node("Shape", ["image"], ["shape"]),
        helper.make_node("Gather", ["shape", "three"], ["width"]),
        helper.make_node("Equal", ["width", "whole"], ["is_whole"]),
        helper.make_node("Where", ["is_whole", "once", "ever"], ["turns"]),
        helper.make_node("Loop", ["turns", "yes", "x"], ["y"], body=body),
        helper.make_node("Add", ["image", "image"], ["twice"]),
        helper.make_node("Add", ["twice", "y"], ["logits"]),  # of both signs, as logits are
    ]
    arrays = {"one": [1], "three": 3, "whole": networks.SIZE[1], "once": 1, "ever": 2**62, "yes": True}
    return network(path, nodes, [numpy_helper.from_array(np.array(values), name) for name, values in arrays.items()])


def shortened(monkeypatch: pytest.MonkeyPatch, cpu_s: int) -> None:
    monkeypatch.setattr(TrialLimits, "of", classmethod(lambda cls, *_: TrialLimits(cpu_s, 60, 2_000_000_000)))


def test_a_network_that_hangs_at_a_smaller_input_alone_is_not_made_smaller(tmp_path: Path, monkeypatch) -> None:
    from rtseg.engines.reduced_input import shrinkable

    path = loops_when_small(tmp_path / "loop.onnx")
    shortened(monkeypatch, 4)
    engine = load_engine(path, spec=SPEC)
    assert shrinkable(engine, path) is None
    good = networks.recurrent(tmp_path / "good.onnx")
    smaller = shrinkable(load_engine(good), good)
    assert smaller is not None
    smaller.close()


def test_no_module_of_the_working_folder_is_run(tmp_path: Path) -> None:
    """A downloaded folder may contain a json.py beside the model, which `python -m` would run."""
    for name in ("json", "ctypes", "numpy", "openvino", "rtseg"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'run')!r}, 'w').close()\n")
    path = networks.recurrent(tmp_path / "good.onnx")
    code = (
        "import sys; sys.path[:] = [place for place in sys.path if place]; from rtseg.engines.load import load_engine; "
        "load_engine('good.onnx').close()"
    )
    search = os.pathsep.join(place for place in sys.path if place)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=path.parent,
        env=os.environ | {"PYTHONPATH": search},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert not (tmp_path / "run").exists()
    assert done.returncode == 0, done.stderr


@pytest.fixture
def breeding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Replace the child by one that starts a process and loops forever; return the file with that process's id."""
    (tmp_path / "breeding_child.py").write_text(
        "import subprocess\n"
        "def main(*_):\n"
        f"    open({str(tmp_path / 'pid')!r}, 'w').write(str(subprocess.Popen(['sleep', '600']).pid))\n"
        "    while True: pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(examination, "_CHILD", "breeding_child")
    return tmp_path / "pid"


def test_what_the_child_started_ends_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, breeding: Path) -> None:
    monkeypatch.setattr(TrialLimits, "of", classmethod(lambda cls, *_: TrialLimits(60, 5, 2_000_000_000)))
    with pytest.raises(ModelError, match="within 5 s"):
        examine(networks.recurrent(tmp_path / "good.onnx"), "openvino")
    deadline = time.monotonic() + 20
    while psutil.pid_exists(int(breeding.read_text())) and time.monotonic() < deadline:
        if psutil.Process(int(breeding.read_text())).status() == psutil.STATUS_ZOMBIE:  # its new parent has not reaped it yet
            break
        time.sleep(0.05)
    assert time.monotonic() < deadline


def test_a_small_file_is_refused_within_20_s_whatever_it_waits_for() -> None:
    assert TrialLimits.of(2000).wall_s <= 15
    assert TrialLimits.of(100 << 20).wall_s > 300


def test_a_description_of_the_most_classes_is_not_too_long(tmp_path: Path) -> None:
    names = tuple(f"{number:03d}" + "x" * 100 for number in range(254))
    assert len(networks.spec(classes=names, states=()).to_json()) < weight_check.MAX_DESCRIPTION
