"""What every test may use."""

import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests import `networks` by name

import networks

if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # begun in the background of a shell: nothing that a test begins could be stopped
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recurrent network with its metadata."""
    return networks.recurrent(tmp_path_factory.mktemp("tiny") / "tiny.onnx")
