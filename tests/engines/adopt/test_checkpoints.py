"""Tests that checkpoints of trainers are read by the network's own names, and that nnU-Net's pictures keep their scale."""

import json

import made_networks as made
import pytest
import torch

from rtseg.engines.convert.nnunet_folder import read_nnunet
from rtseg.engines.convert.third_party import load_third_party_network
from rtseg.errors import ModelError


@pytest.fixture
def factory(tmp_path, monkeypatch):
    (tmp_path / "blobs_of_user.py").write_text("from made_networks import Blobs\n\n\ndef network():\n    return Blobs(1)\n")
    monkeypatch.chdir(tmp_path)
    return "blobs_of_user:network"


def lightning(*prefixes: str) -> dict:
    weights = {f"{prefix}{name}": value for prefix in prefixes for name, value in made.Blobs(1).state_dict().items()}
    return {"state_dict": weights | {"loss.weight": torch.ones(1)}, "epoch": 3, "hyper_parameters": {"lr": 1e-3}}


def test_a_checkpoint_of_lightning_is_read_without_its_prefix(factory, tmp_path):
    torch.save(lightning("model."), tmp_path / "last.ckpt")
    network, x = load_third_party_network(tmp_path / "last.ckpt", factory, trusted=True), torch.rand(1, 1, *made.SIZE)
    with torch.no_grad():
        assert torch.allclose(network(x)[0], made.Blobs(1)(x), atol=1e-5)


def test_two_networks_that_fit_are_refused(factory, tmp_path):
    torch.save(lightning("model.", "average."), tmp_path / "last.ckpt")
    with pytest.raises(ModelError, match=r"several networks that fit \('model.', 'average.'\)"):
        load_third_party_network(tmp_path / "last.ckpt", factory, trusted=True)


def test_a_picture_of_nnunet_keeps_the_scale_of_its_training(tmp_path):
    folder = made.nnunet(tmp_path).path
    assert read_nnunet(folder)[1].size == made.SIZE
    plans = json.loads((folder / "plans.json").read_text())
    plans["configurations"]["2d"]["median_image_size_in_voxels"] = [90.0, 123.0]
    (folder / "plans.json").write_text(json.dumps(plans))
    source, facts = read_nnunet(folder)
    assert facts.size == source.size == (92, 124)
