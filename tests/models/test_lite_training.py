"""Tests trainings from ImageNet weights: initial weights, learning rates of the parts, and the exported file."""

import onnx
import pytest
import torch

from rtseg.engines.convert import export_torch as exporting
from rtseg.errors import ConfigError
from rtseg.models.imagenet import load_imagenet
from rtseg.models.lite_encoder import Lite0Encoder
from rtseg.train.checkpoint import build_network, initial_network, make_spec, write_checkpoint
from rtseg.train.config import from_values
from rtseg.train.trainer import Trainer


def config(**network):
    values = {"name": "x", "classes": ["a", "b"], "size": [32, 64], "data": {"folder": "d", "held_out": []}}
    return from_values({**values, "network": network}, "here")


def test_a_training_begins_with_imagenet_only_where_it_is_told_to():
    taught = Lite0Encoder()
    load_imagenet(taught)
    wanted = taught.state_dict()
    begun = initial_network(config(encoder="lite0", imagenet=True)).encoder.state_dict()
    assert all(torch.equal(begun[name], value) for name, value in wanted.items())
    for network in (initial_network(config(encoder="lite0")), build_network(config(encoder="lite0", imagenet=True))):
        assert not torch.equal(network.encoder.state_dict()["0.0.0.weight"], wanted["0.0.0.weight"])


def test_another_training_goes_over_what_imagenet_taught(tmp_path):
    first = config(encoder="lite0")
    average = {name: torch.full_like(value, 3) for name, value in build_network(first).state_dict().items()}
    write_checkpoint(tmp_path / "first.pt", first, {"average": average})
    begun = initial_network(config(encoder="lite0", deep=True, imagenet=True, start=str(tmp_path / "first.pt"))).encoder
    taught = Lite0Encoder(deep=True)
    load_imagenet(taught)
    assert torch.equal(begun[3].state_dict()["0.project.0.weight"], average["encoder.3.0.project.0.weight"])
    for name, value in taught[4].state_dict().items():
        assert torch.equal(begun[4].state_dict()[name], value)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"encoder": "s", "imagenet": True}, "imagenet is for encoders with such weights, as lite0: leave it out for 's'"),
        ({"encoder": "unet", "deep": True}, "deep is for encoders with a deep level, as lite0: leave it out for 'unet'"),
        ({"encoder": "lite0", "encoder_rate": 0}, "encoder_rate is above 0"),
        ({"encoder": "lite0", "frozen": 1}, "frozen levels keep their initial weights: set imagenet or start too"),
        ({"encoder": "lite0", "imagenet": True, "frozen": 5}, "frozen is 5: give a number of levels, 4 at most"),
    ],
)
def test_what_is_refused(network, message):
    with pytest.raises(ConfigError, match=message):
        config(**network)


def test_the_encoder_learns_at_its_own_rate_and_only_weights_shrink():
    settings = config(encoder="s", encoder_rate=0.25)
    trainer = Trainer(settings, 10)
    rates = {
        id(value): (group["share"], group["weight_decay"])
        for group in trainer.optimiser.param_groups
        for value in group["params"]
    }
    assert len(rates) == len(list(trainer.network.parameters()))
    for name, value in trainer.network.named_parameters():
        decay = settings.schedule.weight_decay if value.ndim > 1 else 0.0
        assert rates[id(value)] == (0.25 if name.startswith("encoder.") else 1.0, decay), name


def test_in_its_file_nothing_stands_between_the_convolutions_that_an_engine_would_stumble_on(tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "CHECKED_STEPS", 3)
    settings = config(encoder="lite0", imagenet=True)
    network = initial_network(settings)
    assert exporting.export(network, make_spec(network, settings), tmp_path / "x.onnx") < exporting.TOLERANCE
    kinds = {node.op_type for node in onnx.load(tmp_path / "x.onnx").graph.node}
    assert not kinds & {"BatchNormalization", "Cast", "Pad", "Concat"}
