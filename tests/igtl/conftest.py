"""What the tests of OpenIGTLink share."""

import threading

import pytest
from igtl import peers

OURS = ("rtseg-igtl", "rtseg-link", "rtseg-capture", "peer")  # and not the kernels' pool, which stays


@pytest.fixture(autouse=True)
def nothing_is_left_behind():
    before = set(threading.enumerate())
    yield
    peers.eventually(lambda: not {one for one in threading.enumerate() if one.name.startswith(OURS)} - before)
