"""Tests test-time flipping: the output flips with the picture, and both views have their own states."""

import numpy as np
import pytest
import torch
from torch import nn

from rtseg.engines.base import ModelSpec
from rtseg.engines.convert.export_torch import export
from rtseg.engines.convert.third_party import state_specs
from rtseg.engines.load import ENGINES, load_engine
from rtseg.models import Composition
from rtseg.models.mirrored import FlipAveraged

SIZE = (32, 48)


@pytest.fixture(params=[("gru@16", "gru@4"), ("lstm@16", "lstm@4"), ("mask",)], ids=str)
def network(request):
    torch.manual_seed(0)
    return Composition(3, memory=request.param).eval()


def frames(n):
    return torch.randn(n, 1, 1, *SIZE, generator=torch.Generator().manual_seed(1))


def played(network, clip):
    """Return the logits of each frame, with the states carried over."""
    states, answers = network.initial_states(1, SIZE), []
    for frame in clip:
        logits, *states = network(frame, *states)
        answers.append(logits)
    return torch.stack(answers)


@torch.no_grad()
def test_the_answer_is_the_mean_of_both_views_each_with_its_own_memory(network):
    clip = frames(4)
    mean = (played(network, clip) + played(network, clip.flip(4)).flip(4)) / 2
    torch.testing.assert_close(played(FlipAveraged(network), clip), mean, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(mean, played(network, clip), atol=1e-3), "one view would have done"


@torch.no_grad()
def test_a_mirrored_picture_gives_a_mirrored_answer(network):
    twice, clip = FlipAveraged(network), frames(4)
    torch.testing.assert_close(played(twice, clip.flip(4)), played(twice, clip).flip(4), atol=1e-5, rtol=1e-4)


def test_a_network_without_a_memory_has_none():
    assert FlipAveraged(nn.Conv2d(1, 1, 3)).initial_states(1, SIZE) == ()


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_engines_run_it_and_carry_both_memories(network, engine, tmp_path):
    assert engine in ENGINES
    twice = FlipAveraged(network)
    spec = ModelSpec("twice", SIZE, ("vessel", "nerve"), (20.0,), (36.0,), state_specs(twice, SIZE))
    export(twice, spec, tmp_path / "twice.onnx")
    running = load_engine(tmp_path / "twice.onnx", engine)
    assert {state.shape[0] for state in running.spec.states} == {2}
    with torch.no_grad():
        expected = played(twice, frames(4))
    state = running.initial_state()
    for frame, logits in zip(frames(4), expected, strict=True):
        answer, state = running.infer(frame.numpy(), state)
        np.testing.assert_allclose(answer, logits.numpy(), atol=2e-3)
    running.close()
