"""Test the beat that is found while frames arrive: causal, with drops, early beats, motion, noise and clocks that go back."""

import numpy as np
import pytest

from rtseg.measure.cycle_monitor import CycleMonitor
from rtseg.sources.synthetic.probe import open_synthetic

FPS = 30


def followed(monitor, values, *, fps=FPS, first=0):
    return [monitor.observe(first + i, (first + i) / fps, value) for i, value in enumerate(values)]


def marks(states):
    return [(mark.moment, mark.index) for state in states for mark in state.marks]


def volumes(bpm=75.0, count=300, fps=FPS):
    return 100 + 30 * np.cos(2 * np.pi * bpm / 60 * np.arange(count) / fps)


def test_each_moment_is_found_once_soon_and_names_its_own_frame():
    states = followed(CycleMonitor("lv_volume", is_lumen=False), volumes())
    found = marks(states)
    ends = [index for moment, index in found if moment == "ED"]
    assert ends[0] in (23, 24, 25)
    assert len(ends) == len(set(ends))
    for end in ends:
        assert end % 24 in (23, 0, 1)
    assert all(abs(index % 24 - 12) <= 1 for moment, index in found if moment == "ES")
    late = [i - mark.index for i, state in enumerate(states) for mark in state.marks if i > 60]
    assert 0 < min(late) <= max(late) <= 24
    assert states[-1].heart_rate == pytest.approx(75, rel=0.02)
    assert states[-1].measure == "lv_volume"
    assert states[-1].latest["ED"].value == pytest.approx(130, abs=1)


def test_the_phase_is_the_share_of_the_beat_since_end_diastole():
    states = followed(CycleMonitor("lv_volume", is_lumen=False), volumes())
    for i in range(150, 300):
        away = abs(states[i].phase - i / 24) % 1
        assert min(away, 1 - away) < 0.12
    assert states[10].phase is None


def test_a_frame_knows_nothing_of_later_ones():
    values = volumes()
    whole = followed(CycleMonitor("lv_volume", is_lumen=False), values)
    for stop in (80, 143, 200):
        assert followed(CycleMonitor("lv_volume", is_lumen=False), values[:stop]) == whole[:stop]


@pytest.mark.parametrize("kind", ["heart", "vessel"])
@pytest.mark.parametrize("seed", [0, 1])
def test_early_beats_drops_and_a_moving_probe(kind, seed):
    probe = open_synthetic(f"{kind}?seed={seed}&fps={FPS}&bpm=80&drift_mm=4&faults=early@85,early@200")
    count, rng = 330, np.random.default_rng(seed)
    values = [probe.radius_mm(i) ** 2 * (1 + rng.normal(0, 0.002)) if rng.random() > 0.1 else None for i in range(count)]
    states = followed(CycleMonitor("x", is_lumen=kind == "vessel"), values)
    ends = np.array([index for moment, index in marks(states) if moment == "ED"])
    beats = np.array([probe.beats(i) for i in range(count)])
    true = np.interp(np.arange(np.ceil(beats[0]) + 1, np.floor(beats[-30]) + 1), beats, np.arange(count))
    off = np.array([np.abs(ends - at).min() for at in true])
    assert np.mean(off <= 1.5) >= 0.9
    assert states[-1].heart_rate == pytest.approx(80, rel=0.03)


@pytest.mark.parametrize(
    "values",
    [np.full(200, 3.0), [None] * 200, np.linspace(0, 9, 200), np.random.default_rng(3).normal(size=200), [np.nan] * 200],
)
def test_no_beat_where_nothing_beats(values):
    states = followed(CycleMonitor("x", is_lumen=False), values)
    assert states[-1].heart_rate is None
    assert states[-1].to_json() == {"measure": "x", "heart_rate": None, "phase": None, "marks": []}


def test_two_frames_a_clock_that_goes_back_and_equal_times():
    monitor = CycleMonitor("x", is_lumen=False)
    assert marks(followed(monitor, [1.0, 2.0])) == []
    assert monitor.observe(9, 0.0, 5.0).marks == ()
    assert monitor.observe(10, 0.0, 5.0).marks == ()
    assert marks(followed(monitor, volumes(), first=20))


def test_a_heart_that_stops_has_no_phase():
    monitor = CycleMonitor("x", is_lumen=False)
    followed(monitor, volumes())
    state = followed(monitor, [None] * 200, first=300)[-1]
    assert (state.phase, state.heart_rate) == (None, None)


def test_forgetting_starts_afresh():
    monitor = CycleMonitor("x", is_lumen=False)
    followed(monitor, volumes())
    monitor.forget()
    assert monitor.observe(300, 10.0, 100.0).latest is None


def test_memory_is_bounded_at_any_rate():
    monitor = CycleMonitor("x", is_lumen=False)
    followed(monitor, volumes(fps=1000, count=3000), fps=1000)
    assert len(monitor._samples) <= 1024
