"""Tests that MONAI's U-Net is trained, exported and run like the project's networks."""

import numpy as np
import torch

from rtseg.engines.load import load_engine
from rtseg.models.baseline import BaselineUNet


@torch.no_grad()
def test_a_clip_is_its_frames_each_for_itself():
    network = BaselineUNet(3).eval()
    clip = torch.randn(3, 2, 1, 32, 48, generator=torch.Generator().manual_seed(0))
    whole = network.clip(clip)
    assert whole.shape == (3, 2, 3, 32, 48)
    for frame, logits in zip(clip, whole, strict=True):
        torch.testing.assert_close(network(frame)[0], logits, atol=1e-5, rtol=1e-4)


def test_it_goes_the_whole_way_to_an_engine(tmp_path):
    from rtseg.engines.convert.export_torch import export

    network = BaselineUNet(1)
    from rtseg.train.checkpoint import make_spec
    from rtseg.train.config import from_values

    values = {"name": "b", "classes": ["lumen"], "size": [32, 48], "data": {"folder": "d", "held_out": []}}
    config = from_values({**values, "network": {"size": "UNet", "cell": "none"}}, "here")
    assert export(network, make_spec(network, config), tmp_path / "b.onnx") < 1e-4
    engine = load_engine(tmp_path / "b.onnx", threads=1)
    logits, _ = engine.infer(np.zeros((1, 1, 32, 48), np.float32), engine.initial_state())
    assert logits.shape == (1, 1, 32, 48)
    assert engine.spec.states == ()
    engine.close()


def test_the_baseline_takes_planes_too():
    (logits,) = BaselineUNet(1, channels=2).eval()(torch.zeros(1, 2, 32, 48))
    assert logits.shape == (1, 1, 32, 48)
