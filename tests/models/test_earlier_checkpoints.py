"""Tests that settings and checkpoints of before the composition are read, and give the very outputs of that time."""

from pathlib import Path

import pytest
import torch
from models.earlier_networks import EarlierBaseline, EarlierRecurrentUNet, lively

from rtseg.errors import ConfigError
from rtseg.models import Composition
from rtseg.train.checkpoint import build_network, initial_network, load_trained
from rtseg.train.config import from_values, read_config
from rtseg.train.earlier_format import current_settings, current_weights

ROOT = Path(__file__).parents[2]
KINDS = {
    "S gru 1": {"size": "S", "cell": "gru", "scales": 1},
    "S gru 2": {"size": "S", "cell": "gru", "scales": 2},
    "M lstm 2": {"size": "M", "cell": "lstm", "scales": 2},
    "Lite0 deep": {"size": "Lite0", "cell": "gru", "scales": 1, "deep": True},
    "UNet": {"size": "UNet", "cell": "none", "scales": 1},
}


def earlier(kind, n_logits):
    """Return a network of that time with its initial weights."""
    torch.manual_seed(3)
    return EarlierBaseline(n_logits) if kind["size"] == "UNet" else EarlierRecurrentUNet(n_logits, **kind)


def settings(kind, classes=2):
    """Return a configuration as a checkpoint of that time holds it."""
    network = {"imagenet": False, "start": "", "encoder_rate": 1.0, "dropout": 0.0, "deep": False, **kind}
    data = {"folder": "d", "held_out": ["a"], "zoom": 0.15, "joined": 0.0}
    return {"name": "x", "classes": [f"c{n}" for n in range(classes)], "size": [64, 64], "data": data, "network": network}


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


@torch.no_grad()
def test_a_checkpoint_gives_the_very_outputs_of_before(kind, tmp_path):
    before = lively(earlier(kind, 3)).eval()
    values = {"format": 1, "config": settings(kind), "average": before.state_dict()}
    torch.save(values, tmp_path / "last.pt")
    after, spec = load_trained(tmp_path / "last.pt")
    states = [torch.zeros(state.shape) for state in spec.states]
    others, frames = list(states), torch.randn(3, 1, 1, 64, 64)
    for frame in frames:
        wanted, *states = before(frame, *states)
        found, *others = after(frame, *others)
        assert torch.equal(wanted, found)
        assert all(map(torch.equal, states, others))


def test_weights_begin_and_are_counted_as_before(kind):
    """Check the seed's weights, and their order, by which the optimizer of a resumed training knows them."""
    before = earlier(kind, 3)
    torch.manual_seed(3)
    after = build_network(from_values(settings(kind), "here"))
    wanted = current_weights(before.state_dict())
    assert list(wanted) == list(after.state_dict())
    assert all(map(torch.equal, wanted.values(), after.state_dict().values()))
    assert list(current_weights(dict(before.named_parameters()))) == [name for name, _ in after.named_parameters()]


def test_a_training_starts_from_an_earlier_one(kind, tmp_path):
    before = lively(earlier(kind, 3))
    torch.save({"format": 1, "config": settings(kind), "average": before.state_dict()}, tmp_path / "last.pt")
    network = {**current_settings(kind, "here"), "start": str(tmp_path / "last.pt")}
    begun = initial_network(from_values({**settings(kind), "network": network}, "here")).state_dict()
    assert all(map(torch.equal, current_weights(before.state_dict()).values(), begun.values()))


@pytest.mark.parametrize("path", sorted([*ROOT.glob("engines/zoo/*.toml"), *ROOT.glob("docs/benchmarks/frontier/*.toml")]))
def test_every_committed_configuration_is_read(path):
    assert read_config(path).network.decoder in ("add", "unet")


def test_the_earlier_keys_name_present_parts():
    assert current_settings({"size": "Lite0", "scales": 2, "deep": True}, "here") == {
        "encoder": "lite0",
        "memory": ("gru@16", "gru@4"),
        "decoder": "add",
        "deep": True,
    }
    assert current_settings({"encoder": "m"}, "here") == {"encoder": "m"}
    assert isinstance(build_network(from_values(settings({"size": "M"}), "here")), Composition)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"size": "S", "encoder": "m"}, r"here, \[network\] gives encoder and the earlier key size: leave the earlier one out"),
        ({"cell": "lstm", "memory": []}, "gives memory and the earlier key cell"),
        ({"size": "XXL"}, r"encoder is 'xxl': there are s, m, lite0, lite1, lite2, unet"),
        ({"size": "S", "cell": "none"}, "size 'S' with cell 'none': give gru or lstm, or none for UNet alone"),
        ({"size": "UNet"}, "size 'UNet' with cell 'gru': give gru or lstm, or none for UNet alone"),
        ({"scales": 3}, "scales is 3: give 1 or 2"),
        ({"scales": True}, "scales is True: give 1 or 2"),
        ({"size": ["S"]}, "encoder is"),
        ({"size": 3}, "encoder is '3'"),
        ({"cell": []}, "cell \\[\\]: give gru or lstm"),
    ],
)
def test_what_is_refused(network, message):
    with pytest.raises(ConfigError, match=message):
        from_values({"name": "x", "classes": ["a"], "data": {"folder": "d", "held_out": []}, "network": network}, "here")
