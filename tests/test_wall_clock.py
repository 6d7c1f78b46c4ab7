"""Wall-clock times of a stream follow the monotonic clock from one pairing."""

import time
from datetime import datetime, timezone

import pytest

from rtseg import wall_clock
from rtseg.wall_clock import WallClock, utc_now, utc_text


def test_the_pairing_is_that_of_now():
    before_ns = time.time_ns()
    at_ns = WallClock().at(time.perf_counter_ns())
    assert before_ns - 50_000_000 < at_ns < time.time_ns() + 50_000_000


@pytest.mark.parametrize("set_to_ns", [0, 10**18, 2 * 10**18])
def test_setting_the_clock_moves_no_time_of_a_running_stream(monkeypatch, set_to_ns):
    clock = WallClock()
    before_ns = clock.at(1_000)
    monkeypatch.setattr(wall_clock, "time_ns", lambda: set_to_ns)
    assert clock.at(1_000) == before_ns
    assert clock.at(4_000) - before_ns == 3_000


def test_text_is_utc_cut_to_microseconds():
    assert utc_text(0) == "1970-01-01T00:00:00.000000Z"
    assert utc_text(1_999) == "1970-01-01T00:00:00.000001Z"
    assert utc_text(-1) == "1969-12-31T23:59:59.999999Z"
    assert utc_text(None) is None
    assert utc_text(1 << 90) is None
    assert utc_text(-(1 << 90)) is None


def test_text_does_not_depend_on_the_time_zone(monkeypatch):
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    time.tzset()
    try:
        shown = datetime.fromisoformat(utc_now().replace("Z", "+00:00"))
        assert abs((shown - datetime.now(timezone.utc)).total_seconds()) < 60
        assert utc_text(86_400 * 10**9) == "1970-01-02T00:00:00.000000Z"
    finally:
        monkeypatch.undo()
        time.tzset()
