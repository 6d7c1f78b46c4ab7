"""Provide an engine of the tiny network, plain and instrumented."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from session.streams import InstrumentedEngine

from rtseg.engines.openvino import OpenVinoEngine


@pytest.fixture
def engine(tiny: Path) -> Iterator[OpenVinoEngine]:
    made = OpenVinoEngine(tiny)
    yield made
    made.close()


@pytest.fixture
def watched(engine: OpenVinoEngine) -> InstrumentedEngine:
    return InstrumentedEngine(engine)
