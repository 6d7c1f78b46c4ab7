"""Provides the TensorRT engine of a tiny network on the emulated GPU, and checks that it frees every resource."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from emulated.driver.device import ALL_LATE, EmulatedGpu
from emulated.engine import plans
from emulated.engine.streams import frames, segmented

from rtseg.engines.openvino import OpenVinoEngine
from rtseg.engines.tensorrt.plan_cache import PlanCache


@pytest.fixture
def engine(gpu: EmulatedGpu, tiny: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    gpu.defer_streams(getattr(request, "param", ALL_LATE))
    made = plans.engine_of(tiny)
    yield made
    made.close()
    assert gpu.in_use() == (0, 0, 0, 0)
    assert gpu.contexts == 0
    assert gpu.failures == []
    assert not gpu.is_broken()


@pytest.fixture
def expected(tiny: Path) -> list[np.ndarray]:
    """Return OpenVINO's labels of `frames(7)`."""
    engine = OpenVinoEngine(tiny)
    labels = segmented(engine, frames(7))
    assert all(0 < found.mean() < 1 for found in labels)
    engine.close()
    return labels


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlanCache:
    """Return a plan cache in the test's own folder."""
    monkeypatch.setenv("RTSEG_CACHE", str(tmp_path / "cache"))
    return PlanCache()
