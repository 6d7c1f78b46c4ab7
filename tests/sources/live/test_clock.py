"""Tests the mapping of a source's timestamps to the local clock."""

import numpy as np

from rtseg.sources.live.clock import SourceClock

MS, S = 1_000_000, 1_000_000_000


def corrected(clock, stamps, arrivals):
    return [clock.correct(int(stamp), int(arrival)) for stamp, arrival in zip(stamps, arrivals, strict=True)]


def test_jitter_is_taken_off():
    rng = np.random.default_rng(1)
    taken = np.arange(1000) * 33 * MS
    arrivals = taken + 5 * MS + rng.integers(0, 40 * MS, 1000)
    errors = np.array(corrected(SourceClock(), taken + 77 * S, arrivals)) - taken
    assert (errors[300:] >= 5 * MS).all()
    assert errors[300:].max() < 6 * MS  # the least delay, and not the jitter of 40 ms


def test_it_is_never_later_than_the_arrival():
    rng = np.random.default_rng(2)
    stamps, arrivals = rng.integers(-9 * S, 9 * S, 500), np.sort(rng.integers(0, 100 * S, 500))
    assert (np.array(corrected(SourceClock(), stamps, arrivals)) <= arrivals).all()


def test_drift_is_followed():
    taken = np.arange(3000) * 33 * MS  # 99 s
    errors = np.array(corrected(SourceClock(), taken * 1.0001, taken)) - taken
    assert np.abs(errors).max() < 2 * MS


def test_jumps_are_counted_and_tolerated():
    clock, taken = SourceClock(), np.arange(90) * 33 * MS
    stamps = taken.copy()
    stamps[30:] -= 3600 * S  # back by an hour
    stamps[60:] += 7200 * S  # and on by two
    found = corrected(clock, stamps, taken)
    assert clock.jumps == 2
    assert found == list(taken)


def test_a_frame_that_is_a_little_early_is_no_jump():
    clock = SourceClock()
    corrected(clock, [0, 66 * MS, 33 * MS, 99 * MS], [0, 66 * MS, 70 * MS, 99 * MS])
    assert clock.jumps == 0


def test_memory_stays_flat():
    clock = SourceClock()
    corrected(clock, np.arange(20_000) * 16 * MS, np.arange(20_000) * 16 * MS + np.arange(20_000))
    assert len(clock._delays) < 700
