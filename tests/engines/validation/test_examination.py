"""Tests hostile model files: each is refused in one line, within limits on time and memory, and no process is left."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import networks
import numpy as np
import onnx
import psutil
import pytest
from onnx import TensorProto, helper, numpy_helper

from rtseg.engines.base import METADATA_KEY
from rtseg.engines.convert.quantize import quantize_model
from rtseg.engines.load import load_engine
from rtseg.engines.validation import examination
from rtseg.engines.validation.examination import TrialLimits, examine
from rtseg.errors import ModelError

pytestmark = pytest.mark.attack
ENGINES = ("onnx", "openvino")
SIDE = 32
SPEC = networks.spec(name="hostile", size=(SIDE, SIDE), mean=(0.0,), std=(255.0,), states=())


@pytest.fixture(autouse=True)
def examined(monkeypatch, tmp_path):
    monkeypatch.delenv(examination.TRUST, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def file(path: Path, nodes, constants=(), metadata=None) -> Path:
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, 1, SIDE, SIDE))
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, (1, 1, SIDE, SIDE))
    graph = helper.make_graph(nodes, "hostile", [image], [logits], list(constants))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    if metadata is not None:
        helper.set_model_props(model, {METADATA_KEY: metadata})
    onnx.save(model, path)
    return path


def constant(name, values):
    return numpy_helper.from_array(np.asarray(values), name)


def endless(path: Path) -> Path:
    """Write a Loop whose condition is always true."""
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["going"], ["go_on"]),
            helper.make_node("Add", ["x_in", "x_in"], ["doubled"]),
            helper.make_node("Sub", ["doubled", "x_in"], ["x_out"]),
        ],
        "body",
        [
            value("turn", TensorProto.INT64, []),
            value("going", TensorProto.BOOL, []),
            value("x_in", TensorProto.FLOAT, (1, 1, SIDE, SIDE)),
        ],
        [value("go_on", TensorProto.BOOL, []), value("x_out", TensorProto.FLOAT, (1, 1, SIDE, SIDE))],
    )
    nodes = [helper.make_node("Loop", ["most", "start", "image"], ["logits"], body=body)]
    return file(path, nodes, [constant("most", np.int64(2**62)), constant("start", np.bool_(True))])


def unfolding(path: Path, how: str, gigabytes: int = 5) -> Path:
    count = gigabytes * 2**28
    shape = constant("shape", np.array([count // 2**20, 1024, 1024], np.int64))
    first = {
        "fill": helper.make_node(
            "ConstantOfShape", ["shape"], ["big"], value=helper.make_tensor("v", TensorProto.FLOAT, [1], [1])
        ),
        "expand": helper.make_node("Expand", ["one", "shape"], ["big"]),
        "tile": helper.make_node("Tile", ["cube", "shape"], ["big"]),
    }[how]
    nodes = [
        first,
        helper.make_node("ReduceMax", ["big"], ["most"], keepdims=1),
        helper.make_node("Reshape", ["most", "four"], ["shaped"]),
        helper.make_node("Add", ["image", "shaped"], ["logits"]),
    ]
    ones = [constant("one", np.ones(1, np.float32)), constant("cube", np.ones((1, 1, 1), np.float32))]
    return file(path, nodes, [shape, constant("four", np.ones(4, np.int64)), *ones])


def weighted(path: Path, value: float, place: str, dtype=np.float32) -> Path:
    """Write a 1x1 convolution whose weight is `value`, in an initializer, a Constant node or a branch of an If."""
    weight = constant("weight", np.full((1, 1, 1, 1), value, dtype))
    cast = [helper.make_node("Cast", ["weight"], ["w"], to=TensorProto.FLOAT)]
    conv = helper.make_node("Conv", ["image", "w"], ["logits"])
    if place == "initializer":
        return file(path, [*cast, conv], [weight])
    if place == "constant":
        return file(path, [helper.make_node("Constant", [], ["weight"], value=weight), *cast, conv])
    out = helper.make_tensor_value_info("chosen", TensorProto.FLOAT, (1, 1, 1, 1))
    bad = helper.make_graph(
        [
            helper.make_node("Constant", [], ["inner"], value=weight),
            helper.make_node("Cast", ["inner"], ["chosen"], to=TensorProto.FLOAT),
        ],
        "bad",
        [],
        [out],
    )
    good = helper.make_graph(
        [helper.make_node("Constant", [], ["chosen"], value=constant("g", np.ones((1, 1, 1, 1), np.float32)))],
        "good",
        [],
        [out],
    )
    nodes = [
        helper.make_node("ReduceMax", ["image"], ["most"], keepdims=0),
        helper.make_node("Greater", ["most", "high"], ["is_high"]),
        helper.make_node("If", ["is_high"], ["w"], then_branch=bad, else_branch=good),
        conv,
    ]
    return file(path, nodes, [constant("high", np.float32(1e9))])


def refusal(path: Path, engine: str) -> str:
    began = time.monotonic()
    with pytest.raises(ModelError) as raised:
        load_engine(path, engine, spec=SPEC)
    assert time.monotonic() - began < 120
    text = str(raised.value)
    assert "\n" not in text
    return text


@pytest.fixture(autouse=True)
def no_process_is_left():
    yield
    mine = [child for child in psutil.Process().children(recursive=True) if "trial_load" in " ".join(child.cmdline())]
    assert not mine


@pytest.mark.parametrize("engine", ENGINES)
def test_an_endless_loop_is_refused(tmp_path, engine):
    assert "--trust-model" in refusal(endless(tmp_path / "loop.onnx"), engine)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("how", ["fill", "expand", "tile"])
def test_a_small_file_that_unfolds_into_gigabytes_is_refused(tmp_path, engine, how):
    path = unfolding(tmp_path / "bomb.onnx", how)
    assert path.stat().st_size < 2000
    refusal(path, engine)


def test_memory_and_time_stay_bounded_as_seen_from_outside(tmp_path):
    """One gigabyte is not refused by the system itself, so the parent must end the child."""
    path = unfolding(tmp_path / "bomb.onnx", "expand", 1)
    script = (
        "import sys; from pathlib import Path; from rtseg.engines.validation.examination import examine\n"
        "from rtseg.engines.base import ModelSpec; from rtseg.errors import ModelError\n"
        "try: examine(Path(sys.argv[1]), 'onnx', ModelSpec.from_json(sys.argv[2]))\n"
        "except ModelError as error: print('refused', error)"
    )
    peak = 0
    with subprocess.Popen([sys.executable, "-c", script, str(path), SPEC.to_json()], stdout=subprocess.PIPE, text=True) as run:
        process = psutil.Process(run.pid)
        while run.poll() is None:
            try:
                peak = max(peak, sum(one.memory_info().rss for one in [process, *process.children(recursive=True)]))
            except psutil.NoSuchProcess:
                continue
        assert run.stdout.read().startswith("refused")
    assert peak < 1.2e9


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("value", "place"),
    [
        (np.nan, "initializer"),
        (np.nan, "constant"),
        (np.nan, "branch"),
        (np.inf, "initializer"),
        (np.inf, "constant"),
    ],  # an infinity in a branch that does not run may be the bound of a mask, and is allowed
)
def test_weights_that_are_not_finite_are_refused(tmp_path, engine, value, place):
    refusal(weighted(tmp_path / "bad.onnx", value, place), engine)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dtype", [np.float16, np.float64], ids=lambda one: one.__name__)
def test_nan_is_found_in_other_floats(tmp_path, engine, dtype):
    assert "NaN" in refusal(weighted(tmp_path / "bad.onnx", np.nan, "initializer", dtype), engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_mask_of_minus_infinity_is_allowed(tmp_path, engine):
    mask = np.zeros((1, 1, 1, SIDE), np.float32)
    mask[..., -1] = -np.inf
    nodes = [helper.make_node("Add", ["image", "mask"], ["masked"]), helper.make_node("Softmax", ["masked"], ["logits"])]
    examine(file(tmp_path / "mask.onnx", nodes, [constant("mask", mask)]), engine, SPEC)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "metadata",
    [
        "[" * 1500 + "]" * 1500,
        "not json",
        "[]",
        "null",
        json.dumps({"name": 5, "size": [32, 32], "classes": ["a"], "mean": [0], "std": [1], "states": []}),
        json.dumps({"name": "a", "size": [32, 32], "classes": [["a"]], "mean": [0], "std": [1], "states": []}),
        json.dumps({"name": "a", "size": [32, 32], "classes": ["a"], "mean": ["0"], "std": [1], "states": []}),
        json.dumps({"name": "a", "size": [32, 32], "classes": ["a"], "mean": [0], "std": [1], "states": 5}),
        json.dumps({"name": "a" * 100_000, "size": [32, 32], "classes": ["a"], "mean": [0], "std": [1], "states": []}),
        '{"name": "a", "size": [32, 32], "classes": ["a"], "mean": [NaN], "std": [1], "states": []}',
        json.dumps({"name": "a", "size": [32, 32], "classes": ["a"], "mean": [0], "std": [1], "states": [{"input": 1}]}),
    ],
    ids=["nested", "words", "list", "null", "name", "classes", "mean", "states", "long", "nan", "state"],
)
def test_metadata_that_describe_nothing_are_refused(tmp_path, engine, metadata):
    path = file(tmp_path / "odd.onnx", [helper.make_node("Identity", ["image"], ["logits"])], metadata=metadata)
    with pytest.raises(ModelError) as raised:
        load_engine(path, engine, trusted=True)
    assert len(str(raised.value)) < 2000


@pytest.mark.parametrize("engine", ENGINES)
def test_metadata_that_are_not_utf8_are_refused(tmp_path, engine):
    path = file(tmp_path / "latin1.onnx", [helper.make_node("Identity", ["image"], ["logits"])], metadata='{"name": "caf@"}')
    path.write_bytes(path.read_bytes().replace(b"caf@", b"caf\xe9"))
    with pytest.raises(ModelError):
        load_engine(path, engine, trusted=True)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("make", [networks.recurrent, networks.convolutional])
def test_a_good_network_passes_and_is_not_examined_twice(tmp_path, monkeypatch, engine, make):
    path = make(tmp_path / "good.onnx")
    load_engine(path, engine).close()
    folder = tmp_path / "cache" / "rtseg" / "examined"
    assert len(list(folder.iterdir())) == 1
    assert folder.stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr(examination, "_run_child", lambda *_: pytest.fail("it was examined again"))
    load_engine(path, engine).close()
    path.write_bytes(path.read_bytes() + b"\x82\x01\x00")
    with pytest.raises(pytest.fail.Exception):
        load_engine(path, engine)


def test_a_shipped_or_trusted_file_is_not_examined(tmp_path, monkeypatch):
    monkeypatch.setattr(examination, "_run_child", lambda *_: pytest.fail("it was examined"))
    load_engine("carotid-int8").close()
    path = networks.recurrent(tmp_path / "mine.onnx")
    load_engine(path, trusted=True).close()
    monkeypatch.setenv(examination.TRUST, "1")
    load_engine(path).close()


def test_a_copy_of_a_network_in_the_folder_of_a_stranger_is_examined(tmp_path, monkeypatch):
    called = []
    monkeypatch.setattr(examination, "_run_child", lambda *arguments: called.append(arguments))
    examine(networks.recurrent(tmp_path / "carotid.onnx"), "openvino")
    assert called


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    examine(networks.recurrent(tmp_path / "good.onnx"), "openvino")


def test_quantizing_examines_first(tmp_path):
    with pytest.raises(ModelError, match="trust-model"):
        quantize_model(endless(tmp_path / "loop.onnx"), tmp_path / "out.onnx", [], spec=SPEC)
    assert not (tmp_path / "out.onnx").exists()


def test_a_larger_file_may_cost_more():
    small, large = TrialLimits.of(1000), TrialLimits.of(100 << 20)
    assert large.cpu_s > 100 > 20 > small.cpu_s
    assert large.resident_bytes > 3e9 > 1e9 > small.resident_bytes


def test_the_child_ends_with_its_parent(tmp_path):
    path = endless(tmp_path / "loop.onnx")
    script = (
        "import sys; from pathlib import Path; from rtseg.engines.validation.examination import examine\n"
        "from rtseg.engines.base import ModelSpec\n"
        "examine(Path(sys.argv[1]), 'openvino', ModelSpec.from_json(sys.argv[2]))"
    )
    environment = {name: value for name, value in os.environ.items() if name != examination.TRUST}
    with subprocess.Popen([sys.executable, "-c", script, str(path), SPEC.to_json()], env=environment) as run:
        children: list[psutil.Process] = []
        deadline = time.monotonic() + 60
        while not children and time.monotonic() < deadline:
            children = psutil.Process(run.pid).children()
            time.sleep(0.05)
        run.kill()
    assert children
    gone, alive = psutil.wait_procs(children, timeout=60)
    assert gone
    assert not alive
