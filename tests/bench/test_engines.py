"""Tests the comparison of engines: ratios of given times, the order of rounds, and hand-counted costs."""

import json
from math import prod

import networks
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

from rtseg.bench.engines import BenchEntry, EngineBench, InterleavedRounds, benchmark_engines
from rtseg.cli.app import app
from rtseg.engines import profile as costs
from rtseg.engines.load import load_engine
from rtseg.engines.profile import NetworkProfile, measure_peak, profile_network
from rtseg.errors import ModelError


class RecordingEngine:
    """Simulates an engine that logs its calls and counts frames in its state."""

    def __init__(self, name, log):
        self.name, self._log, self.spec = name, log, networks.spec(states=())

    def initial_state(self):
        return 0

    def infer(self, x, state):
        self._log.append((self.name, state, x.shape))
        return x, state + 1


@pytest.fixture
def small_peak(monkeypatch):
    monkeypatch.setattr(costs, "CHANNELS", 16)
    monkeypatch.setattr(costs, "SIDE", 16)
    monkeypatch.setattr(costs, "RUNS", 2)


@pytest.fixture
def model(tmp_path):
    return networks.convolutional(tmp_path / "net.onnx")


def by_hand(rounds_ms, **more):
    entries = [BenchEntry(name, RecordingEngine(name, []), **more.get(name, {})) for name in rounds_ms]
    best_ms = {name: min(rounds) for name, rounds in rounds_ms.items()}
    return EngineBench(entries, InterleavedRounds(), 2, {"fp32": 50e9, "int8": 200e9}, rounds_ms, best_ms)


def test_a_ratio_is_the_median_of_the_rounds_ratios():
    result = by_hand({"fast": [1.0, 10.0, 2.0], "slow": [3.0, 40.0, 2.0]})
    assert result.speedup("fast", "slow") == 3.0  # ratios 3, 4 and 1: other load in a round slows both engines
    assert result.speedup("slow", "fast") == pytest.approx(1 / 3)
    assert result.median_ms("fast") == 2.0


def test_the_share_of_the_peak_is_that_of_its_own_precision():
    known = {"cost": NetworkProfile(400_000_000, {"Convolution": 0.75, "Reorder": 0.25}), "precision": "int8"}
    result = by_hand({"int8": [9.0, 4.0, 7.0], "other": [1.0] * 3}, int8=known)
    first, other = result.entries
    assert result.fraction_of_peak(first) == pytest.approx(0.5)  # 2 ms at the peak, 4 ms at best
    assert result.fraction_of_peak(other) is None
    assert result.to_json()["began_at"].endswith("Z")
    row, plain = json.loads(json.dumps(result.to_json()))["engines"]
    assert (row["gmac"], row["ms_at_peak"], row["fraction_of_peak"]) == (0.4, 2.0, 0.5)
    assert row["time_goes_to"] == {"Convolution": 0.75, "Reorder": 0.25}
    assert "gmac" not in plain


def test_all_take_turns_and_carry_their_memory(small_peak):
    log = []
    entries = [BenchEntry(name, RecordingEngine(name, log)) for name in "ab"]
    told = []
    result = benchmark_engines(entries, InterleavedRounds(rounds=2, frames=3, warmup=1), 1, told.append)
    assert [(name, state) for name, state, _ in log] == [(name, state) for name in "abab" for state in range(4)]
    assert {shape for _, _, shape in log} == {(1, 1, *networks.SIZE)}
    assert {name: len(rounds) for name, rounds in result.rounds_ms.items()} == {"a": 2, "b": 2}
    assert told[-1] == "round 2 of 2: b"
    assert all(0 < result.best_ms[name] <= result.median_ms(name) for name in "ab")
    assert set(result.peaks) == {"fp32", "int8"}


def convolutions(path, batch):
    """Write a network of a grouped and a transposed convolution and a matrix product, with hand-counted multiplications."""
    shapes = {"grouped": (6, 2, 3, 3), "spread": (6, 5, 2, 2), "matrix": (48, 7)}
    constants = [numpy_helper.from_array(np.ones(shape, np.float32), name) for name, shape in shapes.items()]
    nodes = [
        helper.make_node("Conv", ["x", "grouped"], ["a"], group=2, strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("ConvTranspose", ["a", "spread"], ["b"], strides=[2, 2]),
        helper.make_node("MatMul", ["b", "matrix"], ["y"]),
    ]
    ports = [helper.make_tensor_value_info("x", TensorProto.FLOAT, (batch, 4, 32, 48))]
    answers = [helper.make_tensor_value_info("y", TensorProto.FLOAT, (batch, 5, 32, 7))]
    graph = helper.make_graph(nodes, "net", ports, answers, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


@pytest.mark.parametrize("batch", [1, 2])
def test_multiplications_are_counted(batch, tmp_path):
    grouped, spread, matrix = 6 * 2 * 9 * 16 * 24, 6 * 5 * 4 * 16 * 24, 5 * 32 * 7 * 48
    assert profile_network(convolutions(tmp_path / "net.onnx", batch), 1).macs == batch * (grouped + spread + matrix)


def test_a_networks_cost_and_where_its_time_goes(model):
    found = profile_network(model, 1)
    assert found.macs == prod(networks.HALF) * (4 * 9 + 4 * 4 + 4)
    assert sum(found.shares.values()) == pytest.approx(1)
    assert "Convolution" in found.shares
    assert list(found.shares.values()) == sorted(found.shares.values(), reverse=True)


def test_int8_multiplications_are_the_same(model):
    from rtseg.engines.convert.quantize import quantize_model

    quantize_model(model, model.with_name("int8.onnx"), [[np.full((64, 96), 200, np.uint8)]])
    assert profile_network(model.with_name("int8.onnx"), 1).macs == profile_network(model, 1).macs


@pytest.mark.parametrize(("precision", "kind"), [("fp32", "f32"), ("int8", "i8")])
def test_the_peak_is_measured_in_its_precision(small_peak, precision, kind):
    import openvino as ov

    graph = ov.Core().compile_model(costs._chain(precision == "int8"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    about = [node.get_rt_info() for node in graph.get_runtime_model().get_ordered_ops()]
    kinds = [info["runtimePrecision"].astype(str) for info in about if info["layerType"].astype(str) == "Convolution"]
    assert len(kinds) == costs.DEPTH
    assert {found.replace("u8", "i8") for found in kinds} == {kind}
    assert measure_peak(precision, 1) > 1e6


def rtseg(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


def test_the_command_compares_what_is_here(small_peak, model, tmp_path):
    model.with_name("net-int8.onnx").write_bytes(model.read_bytes())
    model.with_suffix(".toml").write_text(
        'name = "net"\nclasses = ["a"]\nsize = [32, 48]\n[data]\nfolder = ""\nheld_out = []\n'
    )
    script = torchscript(tmp_path / "peer.pt")
    report = tmp_path / "report.json"
    words = ("--rounds", 1, "--threads", 1, "--peer", script, "--peer-size", "24x32", "--json", report)
    done = rtseg("bench", "--engines", "--model", model, *words)
    assert done.exit_code == 0, done.output
    figures = json.loads(report.read_text())
    names = ["openvino fp32", "onnx fp32", "openvino int8", "onnx int8", "torch eager fp32", "peer peer"]
    assert [row["name"] for row in figures["engines"]] == names
    assert [row["size"] for row in figures["engines"]] == [[32, 48]] * 5 + [[24, 32]]
    assert all(figures["times_as_fast"][name][name] == 1 for name in names)
    assert figures["times_as_fast"]["openvino int8"]["peer peer"] > 0
    assert {row["name"] for row in figures["engines"] if "gmac" in row} == {"openvino fp32", "openvino int8"}
    assert "left out" not in done.output


def torchscript(path):
    import warnings

    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.trace(torch.nn.Conv2d(1, 2, 3, padding=1), torch.zeros(1, 1, 24, 32)).save(path)
    return path


def test_what_is_left_out_is_said(small_peak, model):
    done = rtseg("bench", "--engines", "--model", model, "--rounds", 1, "--threads", 1)
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    assert "left out: no net-int8.onnx beside" in said
    assert "left out: no net.toml beside" in said


def test_a_peer_of_unknown_size(small_peak, model, tmp_path):
    done = rtseg("bench", "--engines", "--model", model, "--peer", torchscript(tmp_path / "peer.pt"))
    assert done.exit_code == 1
    assert "--peer-size HxW is not '': give whole pixels, like 256x256" in done.stderr.replace("\n", "")


def test_no_network_no_cost(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"not a network")
    with pytest.raises(ModelError, match="is no ONNX model"):
        profile_network(tmp_path / "net.onnx")


def test_a_real_engine_takes_its_turn(small_peak, model):
    engine = load_engine(model)
    result = benchmark_engines([BenchEntry("one", engine)], InterleavedRounds(1, 2, 1), 1)
    engine.close()
    assert result.median_ms("one") > 0
