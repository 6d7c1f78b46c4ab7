"""Test latency traces and reports: stages, percentiles, bounded memory."""

import json
import math
import sys

import numpy as np
import pytest

from rtseg.histogram import Histogram
from rtseg.trace import LatencyReport, LatencyTrace

MS = 1_000_000


def _trace(captured_ns: int, **stages_ms: float) -> LatencyTrace:
    trace, now = LatencyTrace(captured_ns), captured_ns
    for name, ms in stages_ms.items():
        trace.add(name, now, now + round(ms * MS))
        now += round(ms * MS)
    return trace


def test_total_counts_from_capture():
    trace = LatencyTrace(1000)
    trace.add("infer", 5000, 9000)
    assert trace.stages_ns == {"infer": 4000}
    assert trace.total_ns == 8000


def test_a_stage_used_twice_adds_up():
    trace = LatencyTrace(0)
    trace.add("draw", 0, 10)
    trace.add("draw", 20, 25)
    assert trace.stages_ns["draw"] == 15


def test_a_stage_is_timed_when_its_body_fails():
    trace = LatencyTrace(0)
    with pytest.raises(ZeroDivisionError), trace.stage("infer"):
        _ = 1 / 0
    assert trace.stages_ns["infer"] > 0


@pytest.mark.parametrize("percent", [50, 90, 95, 99, 99.9])
def test_percentiles_are_right_to_half_a_percent(percent: float):
    durations = np.random.default_rng(1).lognormal(math.log(8 * MS), 0.6, 20_000).astype(int)
    histogram = Histogram()
    for duration in durations:
        histogram.add(int(duration))
    exact = np.percentile(durations, percent, method="inverted_cdf") / MS
    assert histogram.percentile_ms(percent) == pytest.approx(exact, rel=0.0051)


def test_summary_is_exact_where_it_can_be():
    histogram = Histogram()
    for ms in (1, 2, 3, 10):
        histogram.add(ms * MS)
    summary = histogram.summary()
    assert summary["max"] == 10
    assert summary["mean"] == pytest.approx(4)
    assert summary["std"] == pytest.approx(np.std([1, 2, 3, 10]))


@pytest.mark.parametrize("duration", [0, 1, 99, 100, 10**18])
def test_extremes_fall_into_some_bucket(duration: int):
    histogram = Histogram()
    histogram.add(duration)
    assert histogram.percentile_ms(50) <= max(duration, 10**13) / MS


def test_a_stall_shows_in_the_tail():
    report = LatencyReport(40 * MS)
    for index in range(100):
        report.add(_trace(index * 40 * MS, infer=500 if index == 50 else 10))
    assert report.percentile_ms(50) == pytest.approx(10, rel=0.01)
    assert report.stages["total"].summary()["max"] == 500
    assert report.counts.late == 1


def test_ten_frames_a_second_read_ten():
    report = LatencyReport(100 * MS)
    for index in range(50):
        report.add(_trace(index * 100 * MS, infer=7))
    assert report.fps == pytest.approx(10.0)


def test_merge_is_the_same_as_one_long_run():
    whole, first, second = (LatencyReport(40 * MS) for _ in range(3))
    for index in range(60):
        trace = _trace(index * 50 * MS + 1, infer=5 + index)
        whole.add(trace, dropped=index % 2)
        (first if index < 20 else second).add(trace, dropped=index % 2)
    first.merge(second)
    assert first.counts == whole.counts
    assert first.fps == pytest.approx(whole.fps)
    assert first.stages["infer"].summary() == pytest.approx(whole.stages["infer"].summary())


def test_memory_is_bounded():
    report = LatencyReport(40 * MS)
    report.add(_trace(0, infer=1))
    size = sys.getsizeof(report.stages["infer"]._counts)
    for index in range(10_000):
        report.add(_trace(index, infer=index % 50))
    assert sys.getsizeof(report.stages["infer"]._counts) == size
    assert len(report.stages) == 2


def test_json_has_no_nan_and_ends_with_the_total():
    report = LatencyReport(40 * MS)
    assert json.loads(json.dumps(report.to_json(), allow_nan=False))["fps"] is None
    report.add(_trace(0, wait=1, infer=2))
    stages = json.loads(json.dumps(report.to_json(), allow_nan=False))["stages_ms"]
    assert list(stages) == ["wait", "infer", "total"]
    assert stages["total"]["max"] == 3
