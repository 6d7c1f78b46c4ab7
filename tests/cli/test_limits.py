"""Test that `--seconds` ends a live source, also one that gives no further frame."""

import threading
import time

import numpy as np
import results

from rtseg.cli.options.limits import LimitOptions, StreamLimit
from rtseg.frame import Frame, StreamInfo


class StalledSource:
    """Is a live source that gives one frame, and no other before it is closed."""

    info = StreamInfo(48, 64, 25.0, live=True)

    def __init__(self):
        self.closed = threading.Event()

    def __iter__(self):
        yield Frame(np.zeros((48, 64), np.uint8), 0, 1)
        self.closed.wait(30)

    def close(self):
        self.closed.set()


def test_a_stalled_live_source_is_closed():
    source = StalledSource()
    limit = StreamLimit(LimitOptions(seconds=0.2), source)
    started = time.monotonic()
    assert [limit.is_reached(results.result(frame.image)) for frame in source] == [False]
    assert source.closed.is_set()
    assert time.monotonic() - started < 20
    limit.close()


def test_the_clock_of_a_run_that_ended_is_stopped():
    source = StalledSource()
    limit = StreamLimit(LimitOptions(seconds=0.1), source)
    limit.is_reached(results.result())
    limit.close()
    assert not source.closed.wait(0.5)
