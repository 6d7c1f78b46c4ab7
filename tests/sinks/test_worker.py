"""The worker thread processes items in order, with a bounded queue, and reports every error."""

import threading

import pytest

from rtseg.sinks.worker import Worker


def test_in_order_and_all_of_it():
    done = []
    worker = Worker("test", done.append, depth=2)
    for item in range(100):
        worker.put(item)
    worker.close()
    assert done == list(range(100))


def test_full_when_as_many_wait_as_may():
    gate, started = threading.Event(), threading.Event()
    worker = Worker("test", lambda item: (started.set(), gate.wait()), depth=2)
    worker.put(0)
    started.wait()  # one item is in work, none is queued
    states = [worker.is_full]
    for item in (1, 2):
        worker.put(item)
        states.append(worker.is_full)
    gate.set()
    worker.close()
    assert states == [False, False, True]


def test_an_error_is_raised_once_by_close():
    worker = Worker("test", lambda item: 1 // item, depth=1)
    worker.put(0)
    with pytest.raises(ZeroDivisionError):
        worker.close()
    assert "test" not in [thread.name for thread in threading.enumerate()]


def test_an_error_is_raised_by_every_put_and_not_by_close_again():
    failed = threading.Event()

    def work(item):
        failed.set()
        raise ValueError(item)

    worker = Worker("test", work, depth=1)
    worker.put(0)
    failed.wait()
    with pytest.raises(ValueError, match="0"):
        _keep_putting(worker)
    with pytest.raises(ValueError, match="0"):
        worker.put(1)
    worker.close()


def test_nothing_is_done_after_an_error_and_nothing_waits():
    done = []

    def work(item):
        done.append(item)
        raise ValueError(item)

    worker = Worker("test", work, depth=1)
    worker.put(0)
    with pytest.raises(ValueError, match="0"):
        _keep_putting(worker)
    worker.close()
    assert done == [0]


def _keep_putting(worker):
    for _ in range(1000):
        worker.put(1)
