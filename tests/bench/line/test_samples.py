"""Tests the bounded storage of frame times and the slope of the memory use."""

from itertools import pairwise

import pytest

from rtseg.bench.line.run import memory_slope
from rtseg.bench.line.samples import Samples


def test_all_are_kept_while_there_is_room():
    samples = Samples(100)
    for index in range(50):
        samples.add(index / 10, {"infer": index * 1_000_000})
    assert samples.every == 1
    assert samples.stage_ms("infer") == list(range(50))


def test_an_endless_run_is_thinned_evenly():
    samples = Samples(100)
    for index in range(100_000):
        samples.add(index / 10, {"infer": index * 1_000_000})
    kept = samples.stage_ms("infer")
    assert 50 <= len(samples) == len(kept) < 100
    assert {int(b - a) for a, b in pairwise(kept)} == {samples.every}


def test_a_stage_that_comes_late_or_goes_is_null_where_it_did_not_run():
    samples = Samples()
    samples.add(0.0, {"read": 1_000_000})
    samples.add(0.1, {"read": 2_000_000, "infer": 3_000_000})
    samples.add(0.2, {"infer": 4_000_000})
    assert samples.to_json()["stages_ms"] == {"read": [1.0, 2.0, None], "infer": [None, 3.0, 4.0]}
    assert samples.stage_ms("infer") == [3.0, 4.0]


def test_the_slope_is_that_of_the_second_half():
    filling = [(float(t), 100.0 + 10 * t) for t in range(10)]
    steady = [(10.0 + t, 200.0 + t / 60) for t in range(10)]
    assert memory_slope(filling + steady) == pytest.approx(1.0, abs=1e-3)
    assert memory_slope(filling[:3]) is None
