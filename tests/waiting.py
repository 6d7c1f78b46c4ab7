"""Wait for another thread or process."""

import subprocess
import time
from pathlib import Path

import pytest

WAIT_S = 60


def until(condition):
    """Wait until a condition holds, or fail after a minute."""
    ends = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < ends, "it did not come to pass"
        time.sleep(0.02)


def for_lines(path: Path, count: int, process: subprocess.Popen[str]) -> None:
    """Wait until a command has written more than `count` lines to a file."""
    deadline = time.monotonic() + 2 * WAIT_S
    while time.monotonic() < deadline and process.poll() is None:
        if path.exists() and path.read_text().count("\n") > count:
            return
        time.sleep(0.05)
    pytest.fail(f"no {count} lines: {process.communicate()}")
