"""Test that an exported network becomes a checkpoint of the same function, whose BatchNorms have statistics of their own."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from rtseg.engines.base import ModelSpec, StateSpec
from rtseg.engines.convert.export_torch import export
from rtseg.errors import ModelError
from rtseg.models import Composition
from rtseg.train.exported_weights import calibrate_norms, load_exported

SIZE = (64, 64)
ZOO = Path(__file__).parents[2] / "engines" / "zoo"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    torch.manual_seed(3)
    network = Composition(1)
    network.train()
    for _ in range(3):  # so that the statistics are none of a fresh network
        network.clip(5 + 2 * torch.randn(1, 4, 1, *SIZE))
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    states = tuple(
        StateSpec(f"state_{i}_in", f"state_{i}_out", tuple(s.shape)) for i, s in enumerate(network.initial_states(1, SIZE))
    )
    export(network, ModelSpec("x", SIZE, ("lumen",), (0.0,), (1.0,), states), path)
    return network.eval(), path


def test_the_network_computes_what_the_file_computes_and_its_norms_know_their_input(exported):
    network, path = exported
    torch.manual_seed(9)
    fresh, clip = Composition(1), 5 + 2 * torch.randn(3, 2, 1, *SIZE)
    assert load_exported(fresh, path) == 18
    calibrate_norms(fresh, [5 + 2 * torch.randn(1, 8, 1, *SIZE)])
    with torch.no_grad():
        assert np.allclose(fresh.clip(clip), network.clip(clip), atol=1e-3)
        norms = [module for module in fresh.modules() if isinstance(module, nn.BatchNorm2d)]
        assert all(norm.running_var.std() > 0 for norm in norms)
        trained = fresh.train().clip(clip)  # by the statistics of the batch: near, since those of the norms fit
    assert (trained - network.clip(clip)).abs().mean() < 0.5 * network.clip(clip).std() + 0.5


def test_a_head_of_other_classes_stays_and_another_kind_is_refused(exported, tmp_path):
    _, path = exported
    assert load_exported(Composition(3), path) == 17
    with pytest.raises(ModelError, match="another kind of network"):
        load_exported(Composition(1, "lite0"), path)
    with pytest.raises(ModelError, match="cannot be read"):
        load_exported(Composition(1), tmp_path / "none.onnx")


def test_a_file_of_before_the_composition_is_read():
    """Check the shipped model's file, which was exported by the names of that time."""
    shipped = Composition(1, memory=["gru@16", "gru@4"])
    names = {name for name, module in shipped.named_modules() if isinstance(module, nn.Conv2d)}
    assert load_exported(shipped, ZOO / "carotid.onnx") == len(names)
