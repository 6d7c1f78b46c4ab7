"""Tests on the emulated GPU that a reset captures no CUDA graph, and that the fixed buffers of states hold their values."""

from pathlib import Path
from typing import Any

import networks
import numpy as np
import pytest
from emulated.captures import captures_of
from emulated.driver.device import EmulatedGpu
from emulated.engine.streams import ORDERS, frames

from rtseg import kernels
from rtseg.engines.openvino import OpenVinoEngine
from rtseg.kernels.network.fit import letterbox
from rtseg.session.sector import WholeFrame
from rtseg.session.session import Session

FIT = letterbox((0, 0, 40, 56), networks.SIZE)


@pytest.mark.parametrize("reset_every", [0, 5, 20])
def test_a_reset_captures_nothing(engine: Any, reset_every: int) -> None:
    found = captures_of(engine, 60, reset_every)
    assert found["captures"] <= 4
    assert found["after_warm_up"] == 0


@pytest.mark.parametrize("engine", ORDERS, indirect=True)
def test_sessions_in_turns_keep_their_states_through_resets(engine: Any, tiny: Path) -> None:
    """Two states are alive at once, and each is reset while the other goes on."""
    pairs = [[Session(each, temporal=None, locator=WholeFrame()) for each in (engine, OpenVinoEngine(tiny))] for _ in range(2)]
    streams = frames(14, seed=3), frames(14, seed=4)
    for index in range(14):
        for number, ((here, there), stream) in enumerate(zip(pairs, streams, strict=True)):
            if index in (4 + number, 7, 9 + number):
                here.reset("asked")
                there.reset("asked")
            assert (here.step(stream[index]).labels == there.step(stream[index]).labels).all(), (index, number)
    assert len(engine._states._sets) == 2


@pytest.mark.parametrize("runs_before", range(4))
def test_a_state_of_zeros_may_run_twice(engine: Any, tiny: Path, runs_before: int) -> None:
    """The memory gate keeps a state that has run; whichever side it began with, it must still be zero."""
    cpu, stream = OpenVinoEngine(tiny), frames(8)
    for each in (engine, cpu):
        state = each.initial_state()
        for frame in stream[:runs_before]:
            _, state = logits_of(each, frame.image, state)
    del state
    found = []
    for each in (engine, cpu):
        fresh = each.initial_state()
        first, _ = logits_of(each, stream[5].image, fresh)
        second, after = logits_of(each, stream[6].image, fresh)
        third, _ = logits_of(each, stream[7].image, after)
        found.append((first, second, third))
    for own, other in zip(*found, strict=True):
        np.testing.assert_allclose(own, other, atol=1e-5)


def test_a_written_state_of_zeros_keeps_its_side(engine: Any, tiny: Path) -> None:
    cpu, stream, found = OpenVinoEngine(tiny), frames(6), []
    values = np.full(networks.STATE.shape, 3, np.float32)
    for each in (engine, cpu):
        state = each.initial_state()
        for frame in stream[:3]:
            _, state = logits_of(each, frame.image, state)
        del state
        state = each.write(each.initial_state(), networks.STATE.input, values)
        found.append(logits_of(each, stream[4].image, state)[0])
    np.testing.assert_allclose(*found, atol=1e-5)


def test_dropped_states_take_no_more_memory(engine: Any, gpu: EmulatedGpu) -> None:
    engine.initial_state()
    held = gpu.in_use().bytes
    for _ in range(20):
        engine.initial_state()
    assert gpu.in_use().bytes == held


def logits_of(engine: Any, image: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
    x = kernels.fit_input(engine.upload(image), FIT, (100.0,), (50.0,))
    logits, after = engine.infer(x, state)
    return np.array(logits), after
