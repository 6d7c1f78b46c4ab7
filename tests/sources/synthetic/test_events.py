"""Tests the faults of a synthetic probe, scripted and injected."""

import numpy as np
import pytest
from sources.probes import SMALL, probe

from rtseg.errors import ConfigError
from rtseg.sources.synthetic import ScriptedFault, SyntheticProbe, parse_script
from rtseg.sources.synthetic.bmode import DYNAMIC_RANGE_DB


def test_a_freeze_repeats_the_frame_before_it_bit_for_bit():
    source = probe("faults=freeze@5+4")
    held = source.image(4)
    assert all(np.array_equal(source.image(index), held) for index in range(5, 9))
    assert all(np.array_equal(source.truth(index), source.truth(4)) for index in range(5, 9))
    assert not np.array_equal(source.image(9), held)
    assert not np.array_equal(source.truth(9), source.truth(4))
    from_the_start = probe("faults=freeze@0+2")
    assert np.array_equal(from_the_start.image(1), from_the_start.image(0))


def test_a_freeze_may_carry_a_coders_noise():
    source = probe("faults=freeze@5+4:2")
    pictures = [source.image(index).astype(int) for index in range(4, 7)]
    assert not np.array_equal(pictures[1], pictures[2])
    assert 0 < np.abs(pictures[1] - pictures[0]).max() <= 2


def test_a_cut_shows_another_patient():
    source = probe("faults=cut@6")
    change = [np.abs(source.image(i).astype(int) - source.image(i - 1)).mean() for i in range(1, 10)]
    assert change[5] > 1.5 * max(change[:5] + change[6:])
    assert np.mean(source.truth(5) != source.truth(6)) > 5 * np.mean(source.truth(4) != source.truth(5))


def test_a_lifted_probe_gives_a_dark_frame_with_bands_and_no_lumen():
    source = probe("faults=lift@3+2")
    image = source.image(3)
    assert source.truth(3).max() == 0
    assert source.truth(5).max() == 1
    assert image[64:].mean() < 0.3 * source.image(2)[64:].mean()
    profile = image[:20, 30:130].mean(axis=1)
    assert profile[:6].mean() > 100
    assert np.count_nonzero((profile[1:-1] > profile[:-2]) & (profile[1:-1] > profile[2:])) >= 2
    assert not np.array_equal(source.image(3), source.image(4))


def test_dropped_frames_leave_a_gap_in_the_index():
    source = probe("frames=12&faults=drop@4+3")
    assert [frame.index for frame in source] == [0, 1, 2, 3, 7, 8, 9, 10, 11]
    assert source.info.frames == 12


def test_gain_shifts_the_grey_levels():
    plain, louder = probe(), probe("faults=gain@2+2:-6")
    assert np.array_equal(plain.image(1), louder.image(1))
    assert np.array_equal(plain.image(4), louder.image(4))
    middle = (plain.image(2) > 60) & (plain.image(2) < 200)
    difference = plain.image(2)[middle].astype(int) - louder.image(2)[middle]
    assert np.median(difference) == pytest.approx(6 * 255 / DYNAMIC_RANGE_DB, abs=1)
    assert np.array_equal(plain.truth(2), louder.truth(2))


def test_depth_shrinks_the_anatomy():
    plain, deeper = probe("drift_mm=0"), probe("drift_mm=0&faults=depth@3:1.5")
    assert np.array_equal(plain.truth(2), deeper.truth(2))
    assert deeper.truth(3).sum() == pytest.approx(plain.truth(3).sum() / 1.5**2, rel=0.06)
    assert deeper.image(3)[:, 2].max() == 0  # the probe is as wide as before, the picture wider


def test_the_events_are_told_as_values():
    source = probe("faults=freeze@60+20,cut@120,gain@5:-3.5,depth@9+2:0.5,freeze@90+2:1")
    assert source.events == (
        ScriptedFault("freeze", 60, 20),
        ScriptedFault("cut", 120),
        ScriptedFault("gain", 5, None, -3.5),
        ScriptedFault("depth", 9, 2, 0.5),
        ScriptedFault("freeze", 90, 2, 1.0),
    )
    assert isinstance(source, SyntheticProbe)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("liver", "no phantom 'liver': use synthetic:vessel, synthetic:heart"),
        ("vessel?colour=1", "no option 'colour': use seed, geometry, height"),
        ("vessel?seed=x", "seed=x is out of range: give a whole number from 0"),
        ("vessel?seed=-1", "seed=-1"),
        ("vessel?height=15", "height=15 is out of range: give a whole number from 16 to 4320"),
        ("vessel?width=99999999999", "width=99999999999"),
        ("vessel?fps=0", "fps=0 is out of range: give a number from 0.1 to 1000"),
        ("vessel?fps=nan", "fps=nan"),
        ("vessel?bpm=fast", "bpm=fast"),
        ("vessel?frames=0", "frames=0"),
        ("vessel?geometry=square", "geometry=square is unknown: use linear, curvilinear"),
        ("vessel?faults=melt@3", "faults=melt@3 cannot be read: use freeze@START"),
        ("vessel?faults=freeze", "faults=freeze cannot be read"),
        ("vessel?faults=freeze@3", r"faults=freeze@3 lacks something or is out of range: write freeze@START\+FRAMES"),
        ("vessel?faults=lift@3+0", r"write lift@START\+FRAMES"),
        ("vessel?faults=cut@3+4", "write cut@START"),
        ("vessel?faults=drop@3+4:2", r"write drop@START\+FRAMES"),
        ("vessel?faults=gain@3:60", "write gain@START"),
        ("vessel?faults=gain@3:1.2.3", "write gain@START"),
        ("vessel?faults=depth@3:0", "write depth@START"),
    ],
)
def test_what_is_wrong_with_the_options_is_told(options, message):
    with pytest.raises(ConfigError, match=message):
        parse_script(options)


def test_what_happens_while_it_runs_is_as_if_it_had_been_scripted():
    source = SyntheticProbe(parse_script(SMALL), deepest=1.5)
    frames = iter(source)
    before = [next(frames).image for _ in range(3)]
    assert source.inject_fault("freeze", 4) == ScriptedFault("freeze", 3, 4)
    scripted = SyntheticProbe(parse_script(f"{SMALL}&faults=freeze@3+4"), deepest=1.5)
    for index in range(3, 9):
        np.testing.assert_array_equal(next(frames).image, scripted.image(index))
    np.testing.assert_array_equal(before[2], scripted.image(4))
    assert source.inject_fault("depth", 5, 1.5).value == 1.5
    assert not np.array_equal(next(frames).image, scripted.image(9))


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (("depth", 5, 1.9), "1.9 times as deep is beyond this probe"),
        (("depth", 5, 2.5), "out of range: write depth@START"),
        (("freeze",), "out of range: write freeze@START"),
        (("sneeze", 4), "cannot be read: use freeze@START"),
    ],
)
def test_what_cannot_happen_is_told(event, message):
    with pytest.raises(ConfigError, match=message):
        SyntheticProbe(parse_script(SMALL), deepest=1.5).inject_fault(*event)


def test_an_early_beat_shortens_the_one_before_it_and_lengthens_the_one_after():
    calm, early = probe("bpm=60&fps=30"), probe("bpm=60&fps=30&faults=early@40")
    usual = [calm.beats(index) for index in range(120)]
    beats = np.array([early.beats(index) for index in range(120)])
    assert np.all(np.diff(beats) > 0)
    assert beats[40] == pytest.approx(np.ceil(usual[40]), abs=0.05) or beats[40] < np.ceil(usual[40])
    assert np.count_nonzero(~np.isclose(beats, usual)) in range(40, 62)
    np.testing.assert_allclose(beats[100:], usual[100:])
    injected = probe("bpm=60&fps=30")
    injected.image(0)
    injected._next = 40
    injected.inject_fault("early")
    assert [injected.beats(index) for index in range(120)] == beats.tolist()
    with pytest.raises(ConfigError, match="early@START"):
        probe("faults=early@3+4")
