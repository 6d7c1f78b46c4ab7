"""Check that no thread and no file handle of a sink outlives a test."""

import threading

import numpy as np
import pytest
import results
from sinks.clips import handles

from rtseg.overlay import Overlay


@pytest.fixture
def nothing_is_left_behind():
    """Check after the test that it left no thread and no open file."""
    Overlay().draw(results.result(np.zeros((500, 500), np.uint8)))  # the kernels' own threads stay
    threads, opened = set(threading.enumerate()), set(handles())
    yield
    assert set(threading.enumerate()) == threads
    assert set(handles()) <= opened
