"""Tests third-party torch networks: TorchScript files, factories with weights, BatchNorms anywhere, and recurrent states."""

import sys
import warnings
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
from monai.networks.nets import UNet
from torch import nn
from typer.testing import CliRunner

from rtseg.cli.app import app
from rtseg.engines.class_postprocess import ClassPostprocess
from rtseg.engines.convert.third_party import load_third_party_network, state_specs
from rtseg.engines.load import ENGINES, load_engine
from rtseg.engines.torch import TorchEngine, load_script
from rtseg.errors import ConfigError, ModelError

PEER = Path("/work/shared/data/models/carotid_unet_imfusion.pt")
WORDS = ("--size", "32x48", "--classes", "lumen", "--mean", "100", "--std", "50")
FACTORIES = """
from torch import nn
from monai.networks.nets import UNet

def unet():
    return UNet(2, 1, 2, channels=(4, 8), strides=(2,), num_res_units=1, norm="BATCH")

class Remembering(nn.Module):
    def __init__(self):
        super().__init__()
        self.see = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, x, h):
        h = (self.see(x) + h) / 2
        return h, h

    def initial_states(self, n, size):
        import torch
        return (torch.zeros(n, 1, *size),)

class Named(nn.Conv2d):
    def forward(self, x):
        return {"out": super().forward(x)}

def named():
    return Named(1, 1, 3, padding=1)

number = lambda: 3
greedy = lambda size: nn.Identity()
"""


def rtseg(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Change to a user's folder that contains the module of factories."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "factories", raising=False)
    (tmp_path / "factories.py").write_text(FACTORIES)
    return tmp_path


def lively(network):
    """Give BatchNorms statistics and weights other than 0 and 1."""
    torch.manual_seed(3)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.running_mean, module.weight.data, module.bias.data):
                values.normal_()
            module.running_var.uniform_(0.5, 2)
    return network.eval()


def logits_of(path, engine, x):
    network = load_engine(path, engine)
    logits, _ = network.infer(x, network.initial_state())
    network.close()
    return logits.copy()


@pytest.mark.parametrize("nested", ["", "state_dict", "model"])
def test_a_monai_net_with_batchnorm_after_a_transposed_convolution(here, nested):
    network = lively(UNet(2, 1, 2, channels=(4, 8), strides=(2,), num_res_units=1, norm="BATCH"))
    weights = {f"module.{name}": value for name, value in network.state_dict().items()}
    torch.save({nested: weights, "epoch": 7} if nested else weights, "net.pt")
    done = rtseg("export", "factories:unet", "net.pt", "net.onnx", *WORDS)
    assert done.exit_code == 0, done.output
    x = np.random.default_rng(0).standard_normal((1, 1, 32, 48), np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(x)).numpy()
    for engine in ENGINES:
        np.testing.assert_allclose(logits_of("net.onnx", engine, x), expected, atol=1e-4)
    assert load_engine("net.onnx").spec.name == "net"


def test_the_cleaning_of_a_class_is_written_into_the_file(here):
    torch.save(UNet(2, 1, 2, channels=(4, 8), strides=(2,), num_res_units=1, norm="BATCH").state_dict(), "net.pt")
    options = ("--postprocess", "lumen:min_area=50,hysteresis=0.3-0.6")
    assert rtseg("export", "factories:unet", "net.pt", "net.onnx", *WORDS, *options).exit_code == 0
    cleaning = ClassPostprocess("lumen", hysteresis=(0.3, 0.6), min_area=50)
    assert load_engine("net.onnx").spec.postprocess == (cleaning,)
    wrong = rtseg("export", "factories:unet", "net.pt", "other.onnx", *WORDS, "--postprocess", "vein:open=2")
    assert (wrong.exit_code, "not all among its classes" in wrong.output) == (1, True)


def test_a_monai_net_becomes_int8_with_its_transposed_convolution(here):
    torch.save(lively(UNet(2, 1, 2, channels=(4, 8), strides=(2,), num_res_units=1, norm="BATCH")).state_dict(), "net.pt")
    assert rtseg("export", "factories:unet", "net.pt", "net.onnx", *WORDS).exit_code == 0
    for kind in ("images", "masks"):
        (here / kind).mkdir()
        cv2.imwrite(str(here / kind / "a.png"), np.full((32, 48), 255, np.uint8))
    done = rtseg("quantize", "net.onnx", "int8.onnx", "--data", here)
    assert done.exit_code == 0, done.output
    nodes = onnx.load("int8.onnx").graph.node
    operations = [node.op_type for node in nodes]
    producers = {output: node.op_type for node in nodes for output in node.output}
    scaled = {producers[node.input[0]] for node in nodes if node.op_type == "Mul"}
    assert scaled == {"ConvTranspose"}  # the other BatchNorms were folded before quantization
    assert f"{sum(name.startswith('Conv') for name in operations)} convolutions in INT8" in " ".join(done.output.split())
    x = np.random.default_rng(0).standard_normal((1, 1, 32, 48), np.float32)
    for engine in ENGINES:
        assert np.isfinite(logits_of("int8.onnx", engine, x)).all()


def test_torchscript_with_batchnorm(here):
    network = lively(nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1)))
    x = torch.randn(1, 1, 32, 48)
    traced(network, x, "net.pt")
    done = rtseg("export", "net.pt", "net.onnx", *WORDS)
    assert done.exit_code == 0, done.output
    with torch.no_grad():
        np.testing.assert_allclose(logits_of("net.onnx", "openvino", x.numpy()), network(x).numpy(), atol=1e-4)


@pytest.mark.slow
@pytest.mark.skipif(not PEER.exists(), reason="the shared models are not on this machine")
def test_somebodys_published_network(here):
    words = ("--size", "32x32", "--classes", "lumen", "--mean", "0", "--std", "255")
    done = rtseg("export", PEER, "net.onnx", *words)
    assert done.exit_code == 0, done.output
    x = np.random.default_rng(0).random((1, 1, 32, 32), np.float32)
    expected, _ = TorchEngine(load_script(PEER), load_engine("net.onnx").spec).infer(x, ())
    for engine in ENGINES:
        np.testing.assert_allclose(logits_of("net.onnx", engine, x), expected, atol=1e-3)


def traced(network, x, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.trace(network, x).save(path)


def test_a_network_with_a_memory_tells_its_states(here):
    torch.save({"see.weight": torch.ones(1, 1, 3, 3), "see.bias": torch.zeros(1)}, "net.pt")
    done = rtseg("export", "factories:Remembering", "net.pt", "net.onnx", *WORDS)
    assert done.exit_code == 0, done.output
    engine = load_engine("net.onnx")
    assert [state.shape for state in engine.spec.states] == [(1, 1, 32, 48)]
    x = np.ones((1, 1, 32, 48), np.float32)
    first, state = engine.infer(x, engine.initial_state())
    first = first.copy()
    np.testing.assert_allclose(engine.infer(x, state)[0], first * 1.5, atol=1e-5)
    engine.close()


def test_it_may_look_at_the_mirror_image_too(here):
    torch.save({"see.weight": torch.arange(9.0).reshape(1, 1, 3, 3), "see.bias": torch.zeros(1)}, "net.pt")
    done = rtseg("export", "factories:Remembering", "net.pt", "net.onnx", "--mirrored", *WORDS)
    assert done.exit_code == 0, done.output
    engine = load_engine("net.onnx")
    assert [state.shape for state in engine.spec.states] == [(2, 1, 32, 48)]
    x = np.random.default_rng(0).random((1, 1, 32, 48), np.float32)
    straight = engine.infer(x, engine.initial_state())[0].copy()
    mirrored = engine.infer(np.ascontiguousarray(x[..., ::-1]), engine.initial_state())[0]
    np.testing.assert_allclose(mirrored[..., ::-1], straight, atol=1e-4)
    engine.close()


def test_a_network_without_that_method_has_no_memory():
    assert state_specs(nn.Identity(), (32, 48)) == ()


@pytest.mark.parametrize(
    ("factory", "complaint"),
    [
        ("nowhere:net", r"'nowhere:net' builds no network \(No module named 'nowhere'\)"),
        ("factories:other", "'factories:other' builds no network .*name a function without arguments"),
        ("factories:greedy", "builds no network .*size"),
        ("factories:number", "gives a int: let it return a torch.nn.Module"),
        ("factories", "'factories' names no network: give package.module:function"),
    ],
)
def test_a_factory_that_builds_no_network(here, factory, complaint):
    with pytest.raises(ConfigError, match=complaint):
        load_third_party_network("net.pt", factory)
    assert str(here) not in sys.path


@pytest.mark.parametrize(
    ("write", "complaint"),
    [
        (lambda path: path.write_bytes(b"rubbish"), r"net\.pt holds no weights .*save them with torch\.save"),
        (lambda path: None, r"net\.pt holds no weights"),
        (lambda path: torch.save([1, 2], path), "holds a list: save a state dict"),
        (lambda path: torch.save({"other": torch.zeros(1)}, path), "does not fit the network .*: give the factory's own"),
    ],
)
def test_a_checkpoint_without_its_weights(here, write, complaint):
    write(here / "net.pt")
    with pytest.raises(ModelError, match=complaint):
        load_third_party_network("net.pt", "factories:unet")


def test_a_network_that_answers_with_names(here):
    torch.save(nn.Conv2d(1, 1, 3).state_dict(), "net.pt")
    done = rtseg("export", "factories:named", "net.pt", "net.onnx", *WORDS)
    assert done.exit_code == 0, done.output
    assert (here / "net.onnx").exists()


def test_a_batchnorm_without_statistics(here):
    (here / "factories.py").write_text("from torch import nn\nnet = lambda: nn.BatchNorm2d(1, track_running_stats=False)\n")
    torch.save(nn.BatchNorm2d(1, track_running_stats=False).state_dict(), "net.pt")
    with pytest.raises(ModelError, match="BatchNorm without statistics"):
        load_third_party_network("net.pt", "factories:net")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("net.pt",), "export takes [MODULE:FACTORY] CHECKPOINT OUT, and not 1 names"),
        (("factories:unet", "net.pt", "net.onnx"), "what factories:unet takes is unknown: give --size and --classes"),
        (("net.pt", "net.onnx", *WORDS), "net.pt is no TorchScript network"),
        (("net.pt", "net.onnx"), "net.pt is no checkpoint of a training"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(here, arguments, complaint):
    (here / "net.pt").write_bytes(b"rubbish")
    done = rtseg("export", *arguments)
    assert done.exit_code == 1
    assert complaint in done.stderr.replace("\n", "")
