"""Waiting for what another thread does."""

import time

WAIT_S = 60


def until(condition):
    """Wait for it."""
    ends = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < ends, "it did not come to pass"
        time.sleep(0.02)
