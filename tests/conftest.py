"""Set the environment of every test, and provide shared fixtures."""

import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests import `networks` by name

os.environ.setdefault("RTSEG_TRUST_MODELS", "1")  # the tests' own networks are trusted; the attacks unset this

os.environ.setdefault("RTSEG_CHOICE_S", "0")  # --engine auto takes the plain form: labels do not depend on the machine's load

import networks

with suppress(ImportError):  # before any test imports OpenVINO or ONNX Runtime, which would report that to their makers
    import rtseg.engines.onnx_runtime
    import rtseg.engines.openvino_runtime  # noqa: F401

# rich and typer read these on import; without them a command's output depends on the terminal that runs the tests.
WIDTH = shutil.get_terminal_size().columns
os.environ |= {"COLUMNS": "400", "TERM": "dumb"}
for name in ("FORCE_COLOR", "CLICOLOR_FORCE", "PY_COLORS", "GITHUB_ACTIONS", "LINES"):
    os.environ.pop(name, None)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in a shell's background, where children ignore Ctrl-C too
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Keep pytest's own lines as wide as the terminal is."""
    if config.pluginmanager.has_plugin("terminalreporter"):
        config.get_terminal_writer().fullwidth = WIDTH


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what a run has not proved, e.g. because NVIDIA's builder could not be installed."""
    skipped = (str(report.longrepr) for report in terminalreporter.getreports("skipped"))
    for line in sorted({text[text.index("NOT PROVED") :] for text in skipped if "NOT PROVED" in text}):
        terminalreporter.write_line(line.strip("')"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Take one worker more than there are cores, since half of the time tests wait for a stream, a server or a process."""
    return len(os.sched_getaffinity(0)) + 1


@pytest.fixture(scope="session")
def prompted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a recurrent network with a prompt and weights as states, and return its path."""
    return networks.prompted(tmp_path_factory.mktemp("prompted") / "prompted.onnx")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a recurrent network with its metadata, and return its path."""
    return networks.recurrent(tmp_path_factory.mktemp("tiny") / "tiny.onnx")
