"""Tests that every network source recovers from every fault, at the same latency as before, and leaks nothing."""

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import pytest
from faults.scene import KINDS, watched
from faults.trouble import FAULTS
from sources.links import wait_until

from rtseg.connection import LinkState


def count_threads_and_files():
    """Return the numbers of threads of rtseg and the tests, and of open files."""
    gc.collect()
    threads = [thread for thread in threading.enumerate() if thread.name.startswith(("rtseg", "test"))]
    return len(threads), len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture(autouse=True)
def _nothing_is_left():
    before = count_threads_and_files()
    yield
    wait_until(lambda: count_threads_and_files() <= before)


def comes_back(kind, fault):
    """Play the fault on a stream of this kind, and check that it recovers to about the latency of before."""
    with watched(kind, fps=20) as (scene, source, viewer):
        wait_until(lambda: len(viewer.seen) > 15 or viewer.error)
        before_ms = median(viewer.ages(10))
        over_ns = fault.play(scene)
        wait_until(lambda: viewer.first_sent_after(over_ns) or viewer.error)
        wait_until(lambda: median(viewer.ages(10)) < 5 * before_ms + 250 or viewer.error)
        assert viewer.error is None
        assert list(viewer.indices) == sorted(set(viewer.indices))
        if fault.loses and kind in fault.reaches:
            assert source.counts[LinkState.LOST] + source.counts[LinkState.STALLED]
        assert all(event.reason for event in source.events if event.state is LinkState.LOST)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_each_source_comes_back_beside_the_others(fault):
    with ThreadPoolExecutor(len(KINDS)) as pool:
        for done in [pool.submit(comes_back, kind, fault) for kind in KINDS]:
            done.result()
