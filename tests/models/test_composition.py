"""Tests composed networks: streams against clips, their states, their gradients, and names that are unknown."""

import pytest
import torch

from rtseg.errors import ConfigError
from rtseg.models import Composition

SIZE = (32, 48)
MEMORIES = (("gru@16",), ("gru@16", "gru@4"), ("lstm@16", "lstm@4"), ("mask",), ("gru@16", "mask"))


@pytest.fixture(params=MEMORIES, ids=str)
def network(request):
    torch.manual_seed(0)
    return Composition(2, memory=request.param).eval()


def frames(n, seed=1):
    return torch.randn(n, 1, 1, *SIZE, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("encoder", ["s", "m", "lite0"])
@pytest.mark.parametrize(("cell", "states"), [("gru", 1), ("lstm", 2)])
def test_shapes_and_size(encoder, cell, states):
    network = Composition(3, encoder, [f"{cell}@16"]).eval()
    logits, *found = network(torch.zeros(2, 1, *SIZE), *network.initial_states(2, SIZE))
    assert logits.shape == (2, 3, 16, 24)
    assert len(found) == states
    assert {tuple(state.shape) for state in found} == {(2, network.encoder.widths[-1], 2, 3)}
    assert sum(value.numel() for value in network.parameters()) < 2e6  # a file below 8 MB


@pytest.mark.parametrize(("cell", "count"), [("gru", 1), ("lstm", 2)])
def test_a_second_memory_is_finer_and_slim(cell, count):
    network = Composition(3, memory=[f"{cell}@4", f"{cell}@16"]).eval()
    _, *states = network(torch.zeros(2, 1, *SIZE), *network.initial_states(2, SIZE))
    assert [tuple(state.shape) for state in states] == [(2, 64, 2, 3)] * count + [(2, 16, 8, 12)] * count


@torch.no_grad()
def test_a_second_memory_hardly_changes_a_network_that_was_trained_without():
    torch.manual_seed(0)
    one, two = Composition(1).eval(), Composition(1, memory=["gru@16", "gru@4"]).eval()
    two.load_state_dict(two.state_dict() | one.state_dict())
    clip = frames(3)
    torch.testing.assert_close(two.clip(clip), one.clip(clip), atol=0.1, rtol=0.1)


@torch.no_grad()
def test_a_clip_is_its_frames_one_after_the_other(network):
    clip, states = frames(4), network.initial_states(1, SIZE)
    whole, features = network.clip_features(clip)
    assert torch.equal(whole, network.clip(clip))
    assert [level.shape[0] for level in features] == [4] * 4
    for t, frame in enumerate(clip):
        logits, *states = network(frame, *states)
        torch.testing.assert_close(whole[t], logits, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_a_reset_state_forgets(network):
    _, *kept = network(frames(1)[0], *network.initial_states(1, SIZE))
    frame, empty = frames(1, seed=2)[0], network.initial_states(1, SIZE)
    fresh = network(frame, *empty)[0]
    assert not torch.allclose(network(frame, *kept)[0], fresh, atol=1e-6), "the memory does nothing"
    assert torch.equal(network(frame, *network.initial_states(1, SIZE))[0], fresh)


@torch.no_grad()
def test_a_last_mask_of_zeros_is_no_memory_at_all():
    torch.manual_seed(0)
    masked, plain = Composition(3, memory=["mask"]).eval(), Composition(3, memory=[]).eval()
    plain.load_state_dict({name: value for name, value in masked.state_dict().items() if not name.startswith("memory.")})
    frame, (empty,) = frames(1)[0], masked.initial_states(1, SIZE)
    logits, mask = masked(frame, empty)
    assert torch.equal(logits, plain(frame)[0])
    assert mask.shape == empty.shape == (1, 2, 16, 24)
    torch.testing.assert_close(mask, logits.softmax(1)[:, 1:])
    assert not torch.allclose(masked(frame, mask)[0], logits, atol=1e-6)


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
    network.heads["mask"].register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0][0]))
    network.train().clip(frames(2))
    assert seen[0].min() < -0.5 < 0.5 < seen[0].max()


def unlearned(network):
    return [name for name, value in network.named_parameters() if value.grad is None or not value.grad.abs().max() > 0]


def test_every_parameter_learns(network):
    network.train().clip(frames(3)).square().mean().backward()
    assert not unlearned(network)


@pytest.mark.parametrize("encoder", ["s", "unet"])
@pytest.mark.parametrize("decoder", ["add", "unet"])
def test_every_parameter_learns_from_the_heads_beside_the_mask(encoder, decoder):
    torch.manual_seed(0)
    network = Composition(3, encoder, ["gru@16"], decoder, ["mask", "boundary", "deep"]).train()
    logits, features = network.clip_features(torch.randn(2, 2, 1, *SIZE))
    truth = torch.zeros(4, 2, *SIZE)
    truth[:, 0, 8:20, 8:20] = truth[:, 1, 20:28, 24:40] = 1
    (logits.square().mean() + network.auxiliary_loss(features, truth)).backward()
    assert not unlearned(network)


@torch.no_grad()
def test_a_head_beside_the_mask_changes_no_mask():
    torch.manual_seed(0)
    taught, plain = Composition(1, heads=["mask", "boundary", "deep"]).eval(), Composition(1).eval()
    own = plain.state_dict()
    plain.load_state_dict({name: value for name, value in taught.state_dict().items() if name in own})
    frame, states = frames(1)[0], plain.initial_states(1, SIZE)
    assert all(map(torch.equal, taught(frame, *states), plain(frame, *states)))
    assert plain.auxiliary_loss(plain.clip_features(frames(1))[1], torch.zeros(1, 1, *SIZE)) == 0


@torch.no_grad()
def test_channels_are_left_out_in_training_alone():
    torch.manual_seed(0)
    whole, leaving_out = Composition(1), Composition(1, dropout=0.5)
    leaving_out.load_state_dict(whole.state_dict())
    clip = frames(2)
    assert torch.equal(whole.eval().clip(clip), leaving_out.eval().clip(clip))
    leaving_out.neck.dropped.train()
    assert not torch.allclose(leaving_out.clip(clip), leaving_out.clip(clip))


def test_frozen_levels_keep_weights_and_statistics():
    torch.manual_seed(0)
    network = Composition(1, frozen=2).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.clip(frames(2)).square().mean().backward()
    torch.optim.AdamW(network.parameters(), lr=0.1, weight_decay=0.1).step()
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert not {name for name in changed if name.startswith(("encoder.0.", "encoder.1."))}
    assert {name for name in before if name.startswith("encoder.2.")} <= changed


@pytest.mark.parametrize("encoder", ["s", "m", "lite0", "unet"])
def test_a_network_takes_as_many_planes_as_it_was_made_for(encoder):
    network = Composition(1, encoder, channels=2).eval()
    logits, *_ = network(torch.zeros(1, 2, 64, 64), *network.initial_states(1, (64, 64)))
    assert logits.shape == ((1, 1, 64, 64) if encoder == "unet" else (1, 1, 32, 32))
    with pytest.raises(RuntimeError, match="channels"):
        network(torch.zeros(1, 1, 64, 64), *network.initial_states(1, (64, 64)))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"encoder": "lit0"}, "encoder is 'lit0': perhaps 'lite0' is meant; there are s, m, lite0, lite1, lite2, unet"),
        ({"decoder": "concat"}, "decoder is 'concat': there are add, unet"),
        ({"heads": ["mask", "border"]}, "head is 'border': there are mask, boundary, deep"),
        ({"memory": ["gruu@16"]}, "memory is 'gruu': perhaps 'gru' is meant; there are gru, lstm, mask"),
        ({"memory": ["gru"]}, "memory is 'gru': name the stride of its level too, one of gru@2, gru@4, gru@8, gru@16"),
        ({"memory": ["gru@5"]}, "memory is 'gru@5': name the stride of its level"),
        ({"memory": ["mask@4"]}, "memory is 'mask@4': 'mask' has no level, write it alone"),
        ({"memory": ["gru@4", "lstm@4"]}, "memory is gru@4, lstm@4: give each level one memory"),
    ],
)
def test_an_unknown_name_is_one_line_with_the_list(parts, message):
    with pytest.raises(ConfigError) as refused:
        Composition(1, **parts)
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)
