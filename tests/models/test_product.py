"""Tests compositions of all parts: each is exported, quantized, and run by both CPU engines as torch runs it.

`make test` takes a part in which each pair of parts occurs, `make zoo` every composition.
"""

from itertools import combinations, product

import numpy as np
import pytest
import torch
from models.earlier_networks import lively

from rtseg.engines.base import ModelSpec
from rtseg.engines.convert import export_torch as exporting
from rtseg.engines.convert.quantize import quantize_model
from rtseg.engines.convert.third_party import state_specs
from rtseg.engines.load import ENGINES as CPU_ENGINES
from rtseg.engines.load import load_engine
from rtseg.models import DECODERS, ENCODERS, HEADS, Composition

SIZE = (32, 48)
STEPS = 50  # recurrent steps over which an export follows torch
RELATED = {"m": "s", "lite1": "lite0", "lite2": "lite0"}  # of the same operations: one pair with each is enough
MEMORIES = ((), ("gru@16",), ("gru@16", "gru@4"), ("lstm@16", "lstm@8"), ("mask",), ("mask", "gru@16"))
AUXILIARY = ((), tuple(name for name in HEADS.names() if name != "mask"))
PARTS = tuple(name for name in ENCODERS.names() if name not in RELATED), MEMORIES, DECODERS.names(), AUXILIARY
ALL = tuple(product(ENCODERS.names(), *PARTS[1:]))


def pairs(parts):
    """Return the pairs of parts in a composition, each with its place."""
    return set(combinations(enumerate(parts), 2))


def covering():
    """Return compositions in which every pair of unrelated parts occurs, and every related encoder once."""
    chosen, left = [], set().union(*map(pairs, product(*PARTS)))
    while left:
        chosen.append(max(product(*PARTS), key=lambda parts: len(pairs(parts) & left)))
        left -= pairs(chosen[-1])
    return [*chosen, *((encoder, MEMORIES[2], "add", AUXILIARY[1]) for encoder in RELATED)]


COVERING = covering()


def test_the_part_holds_every_pair_and_the_whole_every_composition():
    held = set().union(*map(pairs, COVERING))
    assert all(pairs(parts) <= held for parts in product(*PARTS))
    assert {encoder for encoder, *_ in COVERING} == set(ENCODERS.names())
    assert set(COVERING) <= set(ALL)
    assert len(COVERING) < 25 < 100 < len(ALL)


def composed(parts):
    encoder, memory, decoder, auxiliary = parts
    torch.manual_seed(len(memory))
    return lively(Composition(3, encoder, memory, decoder, ("mask", *auxiliary))).eval()


def check(parts, folder, steps):
    """Export a composition, compare `steps` frames, quantize it, and run both files on both engines."""
    network = composed(parts)
    spec = ModelSpec("net", SIZE, ("vessel", "nerve"), (20.0,), (36.0,), state_specs(network, SIZE))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(exporting, "CHECKED_STEPS", steps)
        assert exporting.export(network, spec, folder / "net.onnx") < exporting.TOLERANCE
    images = np.random.default_rng(0).integers(0, 90, (6, *SIZE)).astype(np.uint8)
    report = quantize_model(folder / "net.onnx", folder / "int8.onnx", [images], trusted=True)
    assert not report.in_float
    frames = [torch.from_numpy((image[None, None].astype(np.float32) - 20) / 36) for image in images]
    wanted = stream(network, network.initial_states(1, SIZE), frames)
    zero_state_is_memoryless(network, frames)
    for engine in CPU_ENGINES:
        runs_alike(folder / "net.onnx", engine, frames, wanted, 1e-2)
        runs_alike(folder / "int8.onnx", engine, frames, wanted, 0.5)


def stream(run, states, frames):
    """Return the logits of each frame, with the states carried over."""
    answers = []
    with torch.no_grad():
        for frame in frames:
            logits, *states = run(frame, *states)
            answers.append(logits.numpy())
    return np.stack(answers)


def zero_state_is_memoryless(network, frames):
    """Check that a frame after zeroed states gives what the frame alone gives, whatever came before."""
    with torch.no_grad():
        alone = network.clip(frames[-1][None])[0]
        _, *kept = network(frames[0], *network.initial_states(1, SIZE))
        again = network(frames[-1], *map(torch.zeros_like, kept))[0]
        assert torch.allclose(alone, again, atol=1e-5)
        assert bool(kept) != torch.equal(again, network(frames[-1], *kept)[0])


def runs_alike(path, engine, frames, wanted, tolerance):
    """Check an engine's logits over a stream against torch's, relative to how far those vary."""
    running = load_engine(path, engine, threads=1, trusted=True)
    state, found = running.initial_state(), []
    for frame in frames:
        logits, state = running.infer(frame.numpy(), state)
        found.append(np.array(running.download(logits)))
    running.close()
    assert np.abs(np.stack(found) - wanted).mean() < tolerance * wanted.std(), f"{path.name} on {engine}"


@pytest.mark.parametrize("parts", COVERING, ids=str)
def test_a_composition_goes_the_whole_way(parts, tmp_path):
    check(parts, tmp_path, 8)


def test_the_richest_composition_follows_torch_for_many_steps(tmp_path):
    check(("s", ("gru@16", "lstm@4", "mask"), "add", AUXILIARY[1]), tmp_path, STEPS)


@pytest.mark.zoo
@pytest.mark.parametrize("parts", ALL, ids=str)
def test_every_composition_goes_the_whole_way(parts, tmp_path):
    check(parts, tmp_path, STEPS)
