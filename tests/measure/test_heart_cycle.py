"""Test beats found in curves with drops, early beats and noise."""

import numpy as np
import pytest

from rtseg.measure.heart_cycle import beat_period, find_beats, find_extrema, heart_rate


def curve(periods, fps=40.0, systole=0.35):
    """Return times, volumes and the exact times of end-diastole: the volume falls for a share of each beat, then rises."""
    starts = np.cumsum([0.3, *periods])
    times = np.arange(0, starts[-1] + 0.3, 1 / fps)
    phase = np.interp(times, starts, np.arange(len(starts)), left=np.nan, right=np.nan)
    phase = np.where(np.isnan(phase), np.where(times < starts[0], 1 - (starts[0] - times), times - starts[-1]), phase % 1)
    phase = phase % 1
    contracted = np.where(phase < systole, phase / systole, (1 - phase) / (1 - systole))
    return times, 100 - 60 * (0.5 - 0.5 * np.cos(np.pi * contracted)), starts


@pytest.mark.parametrize("rate", [45, 75, 120, 190])
def test_the_rate_and_the_extrema_of_a_steady_heart(rate):
    times, values, starts = curve([60 / rate] * 8)
    beats = find_beats(times, values)
    assert heart_rate(beats) == pytest.approx(rate, rel=0.02)
    assert len(beats) >= 7
    for beat in beats:
        assert np.abs(starts - times[beat.end_diastole]).min() <= 1.01 / 40
        assert times[beat.end_systole] - times[beat.end_diastole] == pytest.approx(0.35 * 60 / rate, abs=1.5 / 40)


def test_drops_and_an_early_beat_do_not_matter():
    times, values, starts = curve([0.8] * 4 + [0.5, 1.1] + [0.8] * 4)
    values = values + np.random.default_rng(0).normal(0, 1.0, len(values))
    values[np.random.default_rng(1).random(len(values)) < 0.1] = np.nan
    beats = find_beats(times, values)
    assert heart_rate(beats) == pytest.approx(75, rel=0.02)
    assert len(beats) >= 9
    off = [np.abs(starts - times[beat.end_diastole]).min() for beat in beats]
    assert np.mean(np.array(off) <= 1.01 / 40) > 0.8


def test_the_probe_that_moves_does_not_hide_the_beat():
    times, values, _ = curve([0.8] * 10)
    assert heart_rate(find_beats(times, values + 40 * np.sin(times * 0.7))) == pytest.approx(75, rel=0.02)


@pytest.mark.parametrize("values", [np.full(200, 3.0), np.zeros(200), np.full(200, np.nan), np.linspace(0, 9, 200)])
def test_no_beat_where_nothing_beats(values):
    assert find_beats(np.arange(200) / 40, values) == []
    assert heart_rate([]) is None


def test_noise_has_no_period():
    assert beat_period(np.arange(400) / 40, np.random.default_rng(2).normal(size=400)) is None


def test_a_cycle_of_two_frames_and_times_that_go_back():
    assert find_beats(np.array([0.0, 0.1]), np.array([1.0, 2.0])) == []
    assert find_beats(np.array([0.0, 0.2, 0.1] * 5), np.arange(15.0)) == []


def test_a_pulse_begins_where_its_upstroke_does_and_not_where_it_is_lowest():
    """After each pulse the curve is flat for half a beat, so that its smallest value may lie anywhere in it."""
    times = np.arange(0, 8, 1 / 50)
    phase = times / 0.8 % 1
    noise = np.random.default_rng(4).normal(0, 0.02, len(times))
    found = find_extrema(times, 10 + np.exp(-0.5 * ((phase - 0.25) / 0.08) ** 2) + noise)
    exact = 0.8 * (np.round(np.array(found.feet_s) / 0.8 - 0.09) + 0.09)  # the tangent at one deviation meets zero at two
    assert len(found.feet_s) >= 8
    assert np.abs(found.feet_s - exact).max() < 0.03


def test_the_period_so_far_is_preferred_to_its_multiples():
    times = np.arange(0, 8, 1 / 40)
    values = np.cos(2 * np.pi * times / 0.8) + 1.6 * np.cos(2 * np.pi * times / 1.6)  # every second beat is larger
    assert beat_period(times, values) == pytest.approx(1.6, rel=0.03)
    slow = np.cos(2 * np.pi * times / 0.8)
    assert beat_period(times, slow, 1.6) == pytest.approx(0.8, rel=0.03)
