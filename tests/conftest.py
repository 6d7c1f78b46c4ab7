"""What every test may use."""

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests import `networks` by name

os.environ.setdefault("RTSEG_TRUST_MODELS", "1")  # the networks of the tests are ours; the attacks take it away

import networks

# What a command prints depends on the terminal or pipe of whoever runs the tests: rich and typer read these on import.
WIDTH = shutil.get_terminal_size().columns
os.environ |= {"COLUMNS": "400", "TERM": "dumb"}
for name in ("FORCE_COLOR", "CLICOLOR_FORCE", "PY_COLORS", "GITHUB_ACTIONS", "LINES"):
    os.environ.pop(name, None)

if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # begun in the background of a shell: nothing that a test begins could be stopped
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Keep pytest's own lines as wide as the terminal is."""
    if config.pluginmanager.has_plugin("terminalreporter"):
        config.get_terminal_writer().fullwidth = WIDTH


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recurrent network with its metadata."""
    return networks.recurrent(tmp_path_factory.mktemp("tiny") / "tiny.onnx")
