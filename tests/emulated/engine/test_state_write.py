"""Test on the emulated GPU that states are written in place: the values stay through both buffer sides, and no graph is new."""

from pathlib import Path

import networks
import numpy as np
import pytest
from emulated.driver.device import ALL_LATE, EmulatedGpu
from emulated.engine import plans

from rtseg.engines.openvino import OpenVinoEngine
from rtseg.errors import ConfigError


def _x(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(1, 1, *networks.SIZE)).astype(np.float32)


def test_values_are_those_of_the_cpu_and_no_graph_is_captured_for_them(gpu: EmulatedGpu, prompted: Path) -> None:
    gpu.defer_streams(ALL_LATE)
    engine, reference = plans.engine_of(prompted), OpenVinoEngine(prompted)
    state, expected = engine.initial_state(), reference.initial_state()
    point = np.random.default_rng(9).normal(size=networks.PROMPTED_STATES[1].shape).astype(np.float32)
    graphs = []
    for seed in range(10):
        if seed in (4, 5, 8):
            for name, values in (("point_in", seed * point), ("h_in", point), ("gain_in", np.full((1, 1, 1, 1), seed))):
                state = engine.write(state, name, values)
                expected = reference.write(expected, name, values)
        logits, state = engine.infer(_x(seed), state)
        right, expected = reference.infer(_x(seed), expected)
        np.testing.assert_allclose(np.asarray(logits), right, atol=1e-4)
        graphs.append(len(engine._graphs))
    assert graphs[3] == graphs[-1]
    with pytest.raises(ConfigError, match="no state"):
        engine.write(state, "click", point)
    engine.close()
    reference.close()
    assert gpu.in_use() == (0, 0, 0, 0)
    assert gpu.failures == []
