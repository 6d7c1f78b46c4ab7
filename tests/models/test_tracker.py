"""Tests the tracker: what it remembers of a prompt, what it does without its object, and that its file equals torch."""

import numpy as np
import pytest
import torch

from rtseg.engines.base import ModelSpec
from rtseg.engines.convert.export_torch import export
from rtseg.engines.convert.third_party import state_specs
from rtseg.engines.load import load_engine
from rtseg.models.memory_bank import MemoryBank
from rtseg.models.tracker import _PERIOD, _SLOTS, Tracker

SIZE = (64, 96)
NAMES = ("prompt", "mask", "pin_key", "pin_value", "pinned", "keys", "values", "recent", "presence")


@pytest.fixture
def network():
    torch.manual_seed(3)
    made = Tracker()
    with torch.no_grad():
        made.presence[-1].bias.fill_(2.0)  # sure of itself, so that frames are remembered
        made.head.conv.bias.fill_(0.5)
    return made.eval()


def picture(seed):
    return torch.randn(1, 1, *SIZE, generator=torch.Generator().manual_seed(seed))


def clicked():
    prompt = torch.zeros(1, 2, SIZE[0] // 2, SIZE[1] // 2)
    prompt[0, 0, 10:16, 20:26] = 1
    return prompt


@torch.no_grad()
def stream(network, count, prompts):
    """Return the states by name after each frame. prompts: {frame: map}."""
    states, seen = network.initial_states(1, SIZE), []
    for t in range(count):
        prompt = prompts.get(t, torch.zeros_like(states[0]))
        logits, *after = network(picture(t), prompt, *states[1:])
        states = (prompt, *after)
        seen.append({"logits": logits, **dict(zip(NAMES, states, strict=True))})
    return seen


def test_the_newest_prompt_is_pinned_and_stays(network):
    seen = stream(network, 8, {2: clicked(), 5: clicked()})
    assert [int(one["pinned"].item()) for one in seen] == [0, 0, 1, 1, 1, 1, 1, 1]
    assert not seen[1]["pin_key"].any()
    assert torch.equal(seen[2]["pin_value"], seen[4]["pin_value"])
    assert not torch.equal(seen[4]["pin_value"], seen[5]["pin_value"])
    assert torch.equal(seen[5]["pin_key"], seen[7]["pin_key"])


def test_recent_frames_are_remembered_at_intervals_once_there_is_an_object(network):
    seen = stream(network, 4 + _PERIOD * (_SLOTS + 2), {3: clicked()})
    filled = [int(one["recent"][0, :_SLOTS].sum().item()) for one in seen]
    assert filled[: 3 + _PERIOD] == [0] * (3 + _PERIOD)
    assert filled[3 + _PERIOD] == 1
    assert filled[-1] == _SLOTS
    again = stream(network, 4 + _PERIOD, {3: clicked(), 3 + _PERIOD: clicked()})
    assert not again[-1]["recent"][0, :_SLOTS].any(), "a prompt clears what was remembered of another object"


def test_an_absent_object_is_not_remembered_and_not_drawn(network):
    with torch.no_grad():
        network.presence[-1].bias.fill_(-30.0)
    seen = stream(network, 10, {0: clicked()})
    assert not seen[-1]["recent"][0, :_SLOTS].any()
    assert all((one["logits"] < 0).all() for one in seen)
    assert seen[-1]["presence"] < 0.05


def test_several_objects_are_as_each_alone(network):
    three = Tracker(objects=3)
    three.load_state_dict(network.state_dict())
    three.eval()
    prompts = torch.cat([clicked(), clicked().roll(9, 2), torch.zeros_like(clicked())])
    with torch.no_grad():
        logits, *after = three(picture(0), prompts, *three.initial_states(1, SIZE)[1:])
        logits, *after = three(picture(1), 0 * prompts, *after)
        for place in range(3):
            alone, *kept = network(picture(0), prompts[place : place + 1], *network.initial_states(1, SIZE)[1:])
            alone, *kept = network(picture(1), 0 * prompts[:1], *kept)
            torch.testing.assert_close(logits[:, place + 1 : place + 2], alone, atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(after[2][place : place + 1], kept[2], atol=1e-4, rtol=1e-4)


def test_a_clip_is_a_stream(network):
    prompts = torch.zeros(4, 1, 2, SIZE[0] // 2, SIZE[1] // 2)
    prompts[1] = clicked()
    with torch.no_grad():
        logits, present = network.clip(torch.stack([picture(t) for t in range(4)]), prompts)
    for t, one in enumerate(stream(network, 4, {1: clicked()})):
        torch.testing.assert_close(logits[t], one["logits"], atol=1e-4, rtol=1e-4)
    assert present.shape == (4, 1)


def test_the_exported_file_follows_what_is_pointed_at_as_torch_does(network, tmp_path):
    spec = ModelSpec("track", SIZE, ("object",), (45.0,), (45.0,), state_specs(network, SIZE))
    assert [(one.role, bool(one.output)) for one in spec.states][:3] == [("prompt", False), ("mask", True), ("weights", True)]
    assert export(network, spec, tmp_path / "track.onnx") < 1e-2
    engine = load_engine(tmp_path / "track.onnx", trusted=True)
    state = engine.initial_state()
    for t, one in enumerate(stream(network, 8, {2: clicked()})):
        state = engine.write(state, "prompt_in", one["prompt"].numpy())
        logits, state = engine.infer(picture(t).numpy(), state)
        np.testing.assert_allclose(logits, one["logits"].numpy(), atol=2e-2)
    engine.close()


def test_an_empty_bank_recalls_nothing_and_a_filled_one_what_is_alike():
    bank = MemoryBank(1, 2, 3)
    keys, values = torch.randn(1, 4, 2, 2) * 9, torch.randn(1, 6, 2, 2)
    nothing = bank.read(keys[:, :2], keys, values, torch.zeros(1, 2, 1, 1))
    assert not nothing.any()
    second = torch.tensor([0.0, 1.0]).reshape(1, 2, 1, 1)
    found = bank.read(keys[:, 2:], keys, values, second)
    torch.testing.assert_close(found, values[:, 3:], atol=0.05, rtol=0.05)


def test_a_bank_shifts_the_oldest_out():
    bank, held = MemoryBank(2, 1, 1), torch.arange(2.0).reshape(1, 2, 1, 1)
    new, one = torch.full((1, 1, 1, 1), 7.0), torch.ones(1, 1, 1, 1)
    assert bank.shifted(held, new, one).flatten().tolist() == [7, 0]
    assert bank.shifted(held, new, 0 * one).flatten().tolist() == [0, 1]
