"""TensorRT's engine of a tiny network on the emulated GPU, which must leave nothing behind."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from emulated.driver.device import ALL_LATE, Device
from emulated.engine import plans


@pytest.fixture
def engine(gpu: Device, tiny: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    gpu.streams_late(getattr(request, "param", ALL_LATE))
    made = plans.engine_of(tiny)
    yield made
    made.close()
    assert gpu.in_use() == (0, 0, 0, 0)
    assert gpu.contexts == 0
    assert gpu.failures == []
    assert not gpu.is_broken()
