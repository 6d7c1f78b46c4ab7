"""Share fixtures among the tests of recordings."""

import sys
from pathlib import Path

import pytest

from rtseg.engines.openvino import OpenVinoEngine

sys.path.insert(0, str(Path(__file__).parent))  # tests import `made` by name


@pytest.fixture
def engine(tiny):
    made = OpenVinoEngine(tiny)
    yield made
    made.close()
