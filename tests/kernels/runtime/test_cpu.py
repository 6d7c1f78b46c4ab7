"""Tests how a kernel's rows are split between cores."""

import os
import threading
from contextvars import Context, copy_context

import numpy as np
import pytest

from rtseg.kernels.runtime import cpu


def test_kernels_keep_to_fewer_cores_where_they_are_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu.machine, "available_cores", lambda: 6)
    with cpu.limit_cores(2):
        assert cpu.cores() == 2
        with cpu.limit_cores(1):
            assert cpu.cores() == 1
        assert cpu.cores() == 2
    assert cpu.cores() == 6


def test_bands_cover_the_rows_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "cores", lambda: 4)
    seen = np.zeros(10, np.int64)

    def count(first: int, end: int) -> None:
        seen[first:end] += 1

    for _ in range(100):
        cpu.run_row_bands(10, 10**6, count)
    assert seen.tolist() == [100] * 10


def test_an_error_leaves_no_band_running(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "cores", lambda: 4)
    begun, done = [], []
    second_runs = threading.Event()

    def fail_first(first: int, end: int) -> None:
        if first == 0:
            second_runs.wait(10)
            raise ZeroDivisionError("the first band")
        begun.append(first)
        second_runs.set()
        done.append(first)

    with pytest.raises(ZeroDivisionError, match="the first band"):
        cpu.run_row_bands(10, 10**6, fail_first)
    assert begun
    assert sorted(begun) == sorted(done)


def test_an_error_on_another_core_is_raised_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "cores", lambda: 2)
    elsewhere = threading.Event()

    def fail_elsewhere(first: int, end: int) -> None:
        if threading.current_thread() is threading.main_thread():
            assert elsewhere.wait(60)
        else:
            elsewhere.set()
            raise ZeroDivisionError(threading.current_thread().name)

    with pytest.raises(ZeroDivisionError, match="rtseg-kernels"):
        cpu.run_row_bands(10, 10**6, fail_elsewhere)


def test_a_core_that_is_slow_is_left_fewer_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "cores", lambda: 2)
    begun_elsewhere, rest_is_done, here = threading.Event(), threading.Event(), []

    def wait_elsewhere(first: int, end: int) -> None:
        if threading.current_thread() is not threading.main_thread():
            begun_elsewhere.set()
            assert rest_is_done.wait(60)
            return
        assert begun_elsewhere.wait(60)
        here.append(first)
        if len(here) == 7:
            rest_is_done.set()

    cpu.run_row_bands(8, 10**6, wait_elsewhere)
    assert len(here) == 7


def test_little_work_wakes_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "cores", lambda: 2)
    seen = []
    cpu.run_row_bands(100, cpu.MIN_BAND_PIXELS * (cpu.MIN_BANDS - 1) // 100, lambda first, end: seen.append((first, end)))
    assert seen == [(0, 100)]


def test_nobody_waits_for_cores_that_are_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "cores", lambda: 3)
    free, seen = threading.Event(), []
    busy = [cpu._pool().submit(free.wait, 10) for _ in range(cpu.MAX_BANDS - 1)]
    try:
        cpu.run_row_bands(9, 10**6, lambda first, end: seen.append((first, end)))
    finally:
        free.set()
    assert seen == [(row, row + 1) for row in range(9)]
    assert all(each.result() for each in busy)


def test_a_thread_does_not_change_the_limits_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu.machine, "available_cores", lambda: 2)
    inside, seen = threading.Barrier(2), []
    work = cpu.MIN_BAND_PIXELS * cpu.MIN_BANDS // 100

    def limit() -> None:
        cpu.raise_parallel_threshold()
        with cpu.limit_cores(1):
            inside.wait(60)
            inside.wait(60)

    other = threading.Thread(target=limit)
    other.start()
    inside.wait(60)
    Context().run(cpu.run_row_bands, 100, work, lambda first, end: seen.append((first, end)))
    inside.wait(60)
    other.join(60)
    assert len(seen) > 1
    seen.clear()
    copy_context().run(lambda: (cpu.raise_parallel_threshold(), cpu.run_row_bands(100, work, lambda *band: seen.append(band))))
    assert seen == [(0, 100)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_makes_threads_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "cores", lambda: 2)
    cpu.run_row_bands(8, 10**6, lambda first, end: None)
    child = os.fork()
    if not child:
        waiting = threading.Timer(10, os._exit, (1,))  # a pool without threads would block forever
        waiting.daemon = True
        waiting.start()
        cpu.run_row_bands(8, 10**6, lambda first, end: None)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_read_only_installation_still_compiles(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    real = cpu.numba.njit

    def njit(*function: object, **options: object) -> object:
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return real(*function, **options)

    monkeypatch.setattr(cpu.numba, "njit", njit)
    assert cpu.compiled(lambda x: x + 1)(2) == 3
    assert "set NUMBA_CACHE_DIR" in caplog.text
