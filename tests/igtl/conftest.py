"""Provides the fixtures of the OpenIGTLink tests."""

import threading

import pytest
import results
from igtl import peers

from rtseg.sinks.igtl.sink import PARTS, IgtlSink

OURS = ("rtseg-igtl", "rtseg-link", "rtseg-capture", "peer")  # names of threads that must end; the kernels' pool stays


@pytest.fixture(autouse=True)
def nothing_is_left_behind():
    before = set(threading.enumerate())
    yield
    peers.eventually(lambda: not {one for one in threading.enumerate() if one.name.startswith(OURS)} - before)


@pytest.fixture
def sink():
    made = IgtlSink(":0", PARTS)
    made.open(results.stream(live=True))
    yield made
    made.close()
    assert "rtseg-igtl" not in [thread.name for thread in threading.enumerate()]
