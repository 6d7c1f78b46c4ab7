"""Tests that a failed export reports the stage, the cause and a remedy in one line."""

import sys
import warnings

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from rtseg.cli.app import app
from rtseg.engines.base import ModelSpec
from rtseg.engines.convert.export_torch import export
from rtseg.engines.convert.third_party import load_third_party_network, state_specs
from rtseg.engines.load import load_engine
from rtseg.errors import ConfigError, ModelError

SPEC = ModelSpec("x", (32, 48), ("lumen",), (0.0,), (1.0,))


class Answering(nn.Module):
    """Applies a convolution and then a given function."""

    def __init__(self, then, channels=1):
        super().__init__()
        self.see = nn.Conv2d(1, channels, 3, padding=1)
        self.then = then

    def forward(self, x):
        return self.then(self.see(x))


class Sized(nn.Module):
    """Concatenates even and odd columns, which works for even widths only."""

    def forward(self, x):
        return torch.cat([x[..., ::2], x[..., 1::2]], 1)


@pytest.mark.parametrize(
    ("network", "complaint"),
    [
        (nn.Conv2d(3, 1, 3), r"cannot run the network on a frame of \(1, 1, 32, 48\) \(Given groups.* --mean .*--size.*states"),
        (
            Answering(lambda y: (y * 3, y * 2)),
            "gives output_0 .*, of which several may be the mask: name the one with --output",
        ),
        (Answering(lambda y: {"out": "mask"}), "returns a str"),
        (
            Answering(lambda y: torch.fft.fft2(y).real),
            r"cannot write the network as ONNX \(.*fft.*\): build it of what ONNX has",
        ),
        (Answering(torch.log), "gives NaN or infinity: train it again"),
        (Answering(lambda y: y / 0), "gives NaN or infinity: train it again"),
        (Answering(torch.sigmoid), "answers are probabilities.*leave the sigmoid out, rtseg wants logits"),
        (Answering(lambda y: nn.functional.interpolate(y.sigmoid(), scale_factor=2.0)), "answers are probabilities"),
    ],
)
def test_what_cannot_be_exported(tmp_path, network, complaint):
    with pytest.raises(ModelError, match=complaint) as refused:
        export(network, SPEC, tmp_path / "x.onnx")
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_a_size_that_a_network_does_not_take(tmp_path):
    spec = ModelSpec("x", (33, 49), ("lumen",), (0.0,), (1.0,))
    with pytest.raises(ModelError, match=r"on a frame of \(1, 1, 33, 49\) \(Sizes of tensors must match.*--size"):
        export(Sized(), spec, tmp_path / "x.onnx")


def test_nan_of_the_file_alone(tmp_path, monkeypatch):
    network, write = nn.Conv2d(1, 1, 3, padding=1), sys.modules["rtseg.engines.convert.export_torch"]._write

    def broken(network, spec, part, names=()):
        write(Answering(torch.log).eval(), spec, part, names)

    monkeypatch.setattr("rtseg.engines.convert.export_torch._write", broken)
    with pytest.raises(ModelError, match="the file gives NaN or infinity where torch does not"):
        export(network, SPEC, tmp_path / "x.onnx")


class Boundary(nn.Module):
    """Gives a boundary and a class head beside its mask, as a dictionary."""

    def __init__(self):
        super().__init__()
        self.see, self.mask = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 1, 1)
        self.boundary, self.kind = nn.Conv2d(4, 1, 1), nn.Linear(4, 3)

    def forward(self, x):
        seen = self.see(x).relu()
        return {"boundary": self.boundary(seen), "mask": self.mask(seen), "kind": self.kind(seen.mean((2, 3)))}


def test_further_outputs_leave_torch_by_name(tmp_path):
    assert export(Boundary(), SPEC, tmp_path / "x.onnx", output="mask") < 1e-3
    with pytest.raises(ModelError, match="no 'edge': name one of these with --output"):
        export(Boundary(), SPEC, tmp_path / "y.onnx", output="edge")
    spec = load_engine(tmp_path / "x.onnx").spec
    assert (spec.logits_output, set(spec.further_outputs)) == ("mask", {"boundary", "kind"})


class SmallAndWrong(nn.Module):
    """Gives logits of a thousandth, of which the file has another part: 90 % off, and 1e-3 at most."""

    def __init__(self):
        super().__init__()
        self.see, self.calls = nn.Conv2d(1, 1, 3, padding=1), 0

    def forward(self, x):
        self.calls += 1
        return self.see(x) * (1e-3 if self.calls < 3 else 1e-4)


def test_a_difference_is_relative_to_the_variation_of_the_logits(tmp_path):
    with pytest.raises(ModelError, match=r"strays from torch by .* of the variation between frames"):
        export(SmallAndWrong(), SPEC, tmp_path / "x.onnx")


@pytest.mark.parametrize("then", [lambda y: 0.1 + 0.01 * y.tanh(), torch.relu])
def test_small_logits_are_no_probabilities(tmp_path, then):
    assert export(Answering(then), SPEC, tmp_path / "x.onnx") < 1e-3


def test_probabilities_of_two_channels_are_let_through(tmp_path):
    assert export(Answering(lambda y: y.softmax(1), 2), SPEC, tmp_path / "x.onnx") < 1e-3


@pytest.mark.parametrize("name", ["x.pt", "x", "x.ONNX"])
def test_a_file_that_is_no_onnx_file_by_name(tmp_path, name):
    (tmp_path / name).write_bytes(b"a checkpoint")
    with pytest.raises(ModelError, match=r"does not end in \.onnx.*name an \.onnx file"):
        export(nn.Conv2d(1, 1, 3, padding=1), SPEC, tmp_path / name)
    assert (tmp_path / name).read_bytes() == b"a checkpoint"


def test_torchscript_is_not_mirrored(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.trace(nn.Conv2d(1, 1, 3, padding=1), torch.zeros(1, 1, 32, 48)).save(tmp_path / "net.pt")
    words = ("--size", "32x48", "--classes", "lumen", "--mirrored")
    done = CliRunner().invoke(app, ["export", str(tmp_path / "net.pt"), str(tmp_path / "x.onnx"), *words])
    assert (done.exit_code, done.exception.__class__) == (1, SystemExit)
    assert "TorchScript cannot be mirrored: give the network as MODULE:FACTORY" in done.stderr.replace("\n", "")


def test_a_memory_that_cannot_be_told():
    network = nn.Identity()
    network.initial_states = lambda n, size: 1 / 0
    with pytest.raises(ModelError, match=r"initial_states\(1, \(32, 48\)\) fails \(division by zero\): let it give"):
        state_specs(network, (32, 48))


def test_a_factory_with_an_error_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "faulty_factory.py").write_text("def boom():\n    raise RuntimeError('my bug')\n")
    with pytest.raises(ConfigError, match=r"'faulty_factory:boom' builds no network \(my bug\): name a function"):
        load_third_party_network("net.pt", "faulty_factory:boom")


def test_the_advice_of_torch_to_run_what_is_in_a_file_is_not_repeated(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sound_factory.py").write_text("from torch import nn\nnet = lambda: nn.Identity()\n")
    torch.save(nn.Conv2d(1, 1, 3), tmp_path / "whole.pt")
    with pytest.raises(ModelError, match=r"whole\.pt holds no weights \(it is no state dict\): save.*TorchScript") as refused:
        load_third_party_network("whole.pt", "sound_factory:net")
    assert "weights_only" not in str(refused.value)


def test_a_package_that_a_network_lacks_is_the_remedy():
    from rtseg.engines.convert.tool_errors import as_model_error

    missing, said = (
        ModuleNotFoundError("No module named 'einops'"),
        r"cannot run it \(No module named 'einops'\): install the",
    )
    with pytest.raises(ModelError, match=said), as_model_error("torch cannot run it", "give the --size that it takes"):
        raise missing
