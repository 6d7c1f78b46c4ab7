"""Tests the recurrent U-Net: streams against clips, its states, and its gradients."""

import pytest
import torch

from rtseg.models import CELLS, WIDTHS, RecurrentUNet


@pytest.fixture(params=[(cell, scales) for cell in CELLS for scales in (1, 2)], ids=str)
def network(request):
    torch.manual_seed(0)
    return RecurrentUNet(2, "S", *request.param).eval()


def frames(n, seed=1):
    return torch.randn(n, 1, 1, 32, 48, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", WIDTHS)
@pytest.mark.parametrize("cell", CELLS)
def test_shapes_and_size(size, cell):
    network = RecurrentUNet(3, size, cell).eval()
    logits, *states = network(torch.zeros(2, 1, 32, 48), *network.initial_states(2, (32, 48)))
    assert logits.shape == (2, 3, 16, 24)
    assert len(states) == CELLS[cell].n_states
    assert {tuple(state.shape) for state in states} == {(2, WIDTHS[size][2], 2, 3)}
    assert sum(value.numel() for value in network.parameters()) < 2e6  # a file below 8 MB


@pytest.mark.parametrize("cell", CELLS)
def test_a_second_memory_is_finer_and_slim(cell):
    network, count = RecurrentUNet(3, "S", cell, 2).eval(), CELLS[cell].n_states
    _, *states = network(torch.zeros(2, 1, 32, 48), *network.initial_states(2, (32, 48)))
    assert [tuple(state.shape) for state in states] == [(2, 64, 2, 3)] * count + [(2, 16, 8, 12)] * count


@torch.no_grad()
def test_a_second_memory_hardly_changes_a_network_that_was_trained_without():
    torch.manual_seed(0)
    one, two = RecurrentUNet(1).eval(), RecurrentUNet(1, scales=2).eval()
    two.load_state_dict(two.state_dict() | one.state_dict())
    clip = frames(3)
    torch.testing.assert_close(two.clip(clip), one.clip(clip), atol=0.1, rtol=0.1)


@torch.no_grad()
def test_a_clip_is_its_frames_one_after_the_other(network):
    clip, states = frames(4), network.initial_states(1, (32, 48))
    whole = network.clip(clip)
    for t, frame in enumerate(clip):
        logits, *states = network(frame, *states)
        torch.testing.assert_close(whole[t], logits, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_a_reset_state_forgets(network):
    _, *kept = network(frames(1)[0], *network.initial_states(1, (32, 48)))
    frame, empty = frames(1, seed=2)[0], network.initial_states(1, (32, 48))
    fresh = network(frame, *empty)[0]
    assert not torch.allclose(network(frame, *kept)[0], fresh, atol=1e-6), "the memory does nothing"
    assert torch.equal(network(frame, *network.initial_states(1, (32, 48)))[0], fresh)


def test_the_first_frame_is_told_by_the_last(network):
    clip = frames(5).requires_grad_()
    network.clip(clip)[-1].sum().backward()
    assert clip.grad[0].abs().max() > 0
    clip.grad = None
    network.clip(clip)[0].sum().backward()
    assert clip.grad[1:].abs().max() == 0, "a frame looks into its future"


def test_the_head_sees_features_of_both_signs(network):
    """Check the signs: with non-negative features only, training may reduce a class's logits to the bias."""
    seen = []
    network.head.register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[0]))
    network.train().clip(frames(2))
    assert seen[0].min() < -0.5 < 0.5 < seen[0].max()


def test_every_parameter_learns(network):
    network.train().clip(frames(3)).square().mean().backward()
    assert not [name for name, value in network.named_parameters() if value.grad is None or not value.grad.abs().max() > 0]


@torch.no_grad()
def test_channels_are_left_out_in_training_alone():
    torch.manual_seed(0)
    whole, leaving_out = RecurrentUNet(1), RecurrentUNet(1, dropout=0.5)
    leaving_out.load_state_dict(whole.state_dict())
    clip = frames(2)
    assert torch.equal(whole.eval().clip(clip), leaving_out.eval().clip(clip))
    leaving_out.dropped.train()
    assert not torch.allclose(leaving_out.clip(clip), leaving_out.clip(clip))


@pytest.mark.parametrize("size", WIDTHS)
def test_a_network_takes_as_many_planes_as_it_was_made_for(size):
    network = RecurrentUNet(1, size, channels=2).eval()
    logits, *_ = network(torch.zeros(1, 2, 64, 64), *network.initial_states(1, (64, 64)))
    assert logits.shape == (1, 1, 32, 32)
    with pytest.raises(RuntimeError, match="channels"):
        network(torch.zeros(1, 1, 64, 64), *network.initial_states(1, (64, 64)))
