"""What every test may use."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests import `networks` by name

import networks


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recurrent network with its metadata."""
    return networks.recurrent(tmp_path_factory.mktemp("tiny") / "tiny.onnx")
