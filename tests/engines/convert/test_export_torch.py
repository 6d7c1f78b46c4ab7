"""Tests the ONNX export: static shapes, named states, the spec as metadata, and outputs equal to torch."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from rtseg.engines.base import METADATA_KEY, ModelSpec, StateSpec
from rtseg.engines.convert.export_torch import OPSET, export
from rtseg.engines.convert.third_party import state_specs
from rtseg.engines.load import load_engine
from rtseg.errors import ModelError
from rtseg.models import Composition
from rtseg.models.mirrored import FlipAveraged

PLAIN = {"Add", "Constant", "Conv", "Mul", "Relu", "Resize", "Sigmoid", "Split", "Sub", "Tanh"}  # ops that all engines run fast


def spec_of(network, classes=("lumen",)):
    shapes = [tuple(state.shape) for state in network.initial_states(1, (32, 48))]
    states = tuple(StateSpec(f"state_{place}_in", f"state_{place}_out", shape) for place, shape in enumerate(shapes))
    return ModelSpec("tiny", (32, 48), classes, (20.0,), (36.0,), states, classes[:1])


def lively(network):
    """Give BatchNorms statistics other than 0 and 1, so that a missing fold changes the output."""
    torch.manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return network


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_the_file_says_all_about_itself_and_follows_the_network(tmp_path, cell):
    network = lively(Composition(1, memory=[f"{cell}@16"]))
    spec = spec_of(network)
    assert export(network, spec, tmp_path / "tiny.onnx") < 1e-3
    model = onnx.load(tmp_path / "tiny.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.onnx"]
    assert [entry.version for entry in model.opset_import] == [OPSET]
    assert {node.op_type for node in model.graph.node} <= PLAIN
    assert ModelSpec.from_json({entry.key: entry.value for entry in model.metadata_props}[METADATA_KEY]) == spec
    session = onnxruntime.InferenceSession(str(tmp_path / "tiny.onnx"), providers=["CPUExecutionProvider"])
    taken = {node.name: tuple(node.shape) for node in session.get_inputs()}
    given = {node.name: tuple(node.shape) for node in session.get_outputs()}
    assert taken == {"image": (1, 1, 32, 48)} | {state.input: state.shape for state in spec.states}
    assert given == {"logits": (1, 1, 16, 24)} | {state.output: state.shape for state in spec.states}


class Cut(nn.Module):
    """Returns a smaller state than its input state."""

    def forward(self, x, h):
        return x + h, (x + h)[:, :, :1]


class Scaled(nn.Module):
    """Scales by the number of its calls, so that no exported file can match it."""

    def forward(self, x):
        self.calls = getattr(self, "calls", 0) + 1
        return x * float(self.calls)


def test_a_file_that_strays_from_the_network_is_not_kept(tmp_path):
    spec = ModelSpec("x", (32, 32), ("lumen",), (0.0,), (1.0,))
    with pytest.raises(ModelError, match="strays from torch by"):
        export(Scaled(), spec, tmp_path / "x.onnx")
    assert list(tmp_path.iterdir()) == []


def test_an_old_file_survives_a_failed_export(tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"old")
    with pytest.raises(ModelError):
        export(Scaled(), ModelSpec("x", (32, 32), ("lumen",), (0.0,), (1.0,)), tmp_path / "x.onnx")
    assert (tmp_path / "x.onnx").read_bytes() == b"old"


def test_memoryless_networks_need_no_states(tmp_path):
    network = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3))
    spec = ModelSpec("x", (32, 32), ("vessel", "nerve"), (0.0,) * 3, (1.0,) * 3)
    assert export(network, spec, tmp_path / "x.onnx") < 1e-3


def test_logits_that_do_not_fit_the_classes(tmp_path):
    spec = ModelSpec("x", (32, 32), ("vessel", "nerve"), (0.0,), (1.0,))
    with pytest.raises(ModelError, match=r"logits are \(1, 1, 32, 32\) for the classes"):
        export(nn.Conv2d(1, 1, 3, padding=1), spec, tmp_path / "x.onnx")


def test_a_state_of_another_shape(tmp_path):
    spec = ModelSpec("x", (32, 32), ("lumen",), (0.0,), (1.0,), (StateSpec("h_in", "h_out", (1, 1, 32, 32)),))
    with pytest.raises(ModelError, match="state 'h_in' has another shape"):
        export(Cut(), spec, tmp_path / "x.onnx")


def test_a_batchnorm_that_cannot_be_folded(tmp_path):
    network = nn.Sequential(nn.ReLU(), nn.BatchNorm2d(1))
    with pytest.raises(ModelError, match="could not be folded"):
        export(network, ModelSpec("x", (32, 32), ("lumen",), (0.0,), (1.0,)), tmp_path / "x.onnx")


def test_the_same_network_gives_the_same_bytes(tmp_path):
    network = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.BatchNorm2d(1), nn.ReLU())
    for name in ("a.onnx", "b.onnx"):
        export(network, ModelSpec("x", (32, 32), ("lumen",), (0.0,), (1.0,)), tmp_path / name)
    assert np.array_equal(*(np.fromfile(tmp_path / name, np.uint8) for name in ("a.onnx", "b.onnx")))


class Pointed(nn.Module):
    """Adds a prompt and a learned gain to what it sees; only its memory is returned."""

    state_roles = ("memory", "prompt", "weights")

    def __init__(self):
        super().__init__()
        self.see = nn.Conv2d(1, 1, 3, padding=1)

    def initial_states(self, n, size):
        return torch.zeros(n, 1, *size), torch.zeros(n, 1, *size), torch.zeros(n, 1, 1, 1)

    def forward(self, x, memory, point, gain):
        memory = (self.see(x) + memory) / 2
        return memory * (1 + gain) + point, memory


def test_states_that_the_user_writes_have_a_role_and_no_output(tmp_path):
    network = Pointed().eval()
    spec = ModelSpec("pointed", (32, 48), ("lumen",), (20.0,), (36.0,), state_specs(network, (32, 48)))
    assert [(state.output, state.role) for state in spec.states] == [
        ("state_0_out", "memory"),
        ("", "prompt"),
        ("", "weights"),
    ]
    assert export(network, spec, tmp_path / "pointed.onnx") < 1e-3
    engine = load_engine(tmp_path / "pointed.onnx")
    assert engine.spec.states == spec.states
    x, point = (np.random.default_rng(seed).normal(size=(1, 1, 32, 48)).astype(np.float32) for seed in (0, 1))
    state = engine.write(engine.initial_state(), "state_1_in", point)
    with torch.no_grad():
        wanted = network(torch.from_numpy(x), torch.zeros(1, 1, 32, 48), torch.from_numpy(point), torch.zeros(1, 1, 1, 1))[0]
    np.testing.assert_allclose(engine.infer(x, state)[0], wanted.numpy(), atol=1e-4)
    engine.close()


def test_the_last_mask_has_the_role_of_one():
    network = Composition(1, memory=["gru@16", "mask"])
    assert [state.role for state in state_specs(network, (32, 48))] == ["memory", "mask"]
    assert [state.role for state in state_specs(FlipAveraged(network), (32, 48))] == ["memory", "mask"]


@pytest.mark.parametrize("roles", [("memory",), ("memory", "prompt", "click")])
def test_roles_that_do_not_fit_are_refused(roles):
    network = Pointed()
    network.state_roles = roles
    with pytest.raises(ModelError, match=r"state_roles are .*: give each of its 3 states one of memory, mask"):
        state_specs(network, (32, 48))
