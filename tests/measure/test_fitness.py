"""Test which frames are fit to be measured, and the best frame so far."""

from dataclasses import replace

import numpy as np
import pytest

from rtseg.frame import Frame, Life, Segmentation
from rtseg.measure.fitness import UNSTEADY, FitnessMonitor, unsharp_reason
from rtseg.measure.measure_follower import MeasureFollower
from rtseg.measured_value import MeasuredValue

FPS = 25
HC = MeasuredValue("hc", "head circumference", "mm", ("head",), 200.0, 195.0, 205.0, "user")


def observed(monitor, values, confidence=0.9, first=0):
    return [
        monitor.observe(replace(HC, value=value), first + i, (first + i) / FPS, confidence) for i, value in enumerate(values)
    ]


def test_a_frame_is_fit_once_the_value_was_steady_for_three_tenths_of_a_second():
    seen = observed(FitnessMonitor(), [200.0] * 12)
    assert [one.unfit for one in seen] == [UNSTEADY] * 8 + [""] * 4
    assert observed(FitnessMonitor(), [200.0] * 10 + [230.0])[-1].unfit == UNSTEADY


def test_the_best_frame_is_fit_and_stays_until_a_better_one():
    monitor = FitnessMonitor()
    first = observed(monitor, [200.0] * 12)
    assert (first[0].best.index, first[0].best.is_fit) == (0, False)
    assert (first[-1].best.index, first[-1].best.is_fit, first[-1].best.value) == (8, True, 200.0)
    worse = observed(monitor, [230.0, 200.0, 230.0] * 4, confidence=0.95, first=12)
    assert worse[-1].best.index == 8
    better = observed(monitor, [210.0] * 12, confidence=0.97, first=30)
    assert better[-1].best.index == 36  # a gap of frames is no time in which it was steady
    withheld = monitor.observe(replace(HC, value=None, withheld="the probe has no contact"), 50, 2.0, 0.0)
    assert (withheld.best.index, withheld.unfit) == (36, "")
    monitor.forget()
    assert observed(monitor, [None], first=60)[0].best is None


@pytest.mark.parametrize(
    ("changes", "share", "reason"),
    [
        ({}, 1.0, ""),
        ({}, 0.9, "the head is in several pieces"),
        ({}, None, ""),
        ({"low": None}, 1.0, "the network is sure of no pixel"),
        ({"low": 150.0, "high": 250.0}, 1.0, "the border is not sharp"),
        ({"low": 170.0, "high": 250.0, "unit": "mm2"}, 1.0, ""),
        ({"low": None, "high": None}, 1.0, ""),
        ({"value": None}, 1.0, ""),
    ],
)
def test_a_border_that_is_not_sharp_or_not_whole(changes, share, reason):
    assert unsharp_reason(replace(HC, **changes), share) == reason


def segmentation(*measures, life=Life.LIVE, classes=("head",)):
    return Segmentation(np.ones((8, 8), np.uint8), classes, (0.9,) * len(classes), (0.5, 0.5), life, measures=measures)


def frame(index):
    return Frame(np.zeros((8, 8), np.uint8), index, index * 1_000_000_000 // FPS)


def test_a_held_picture_adds_nothing_and_a_new_stream_starts_afresh():
    follower = MeasureFollower()
    for i in range(12):
        seen = follower.followed(segmentation(HC), frame(i))
    assert seen.measures[0].best.index == 8
    assert seen.cycle is None
    held = follower.followed(replace(seen, life=Life.HELD), frame(12))
    assert held.measures == seen.measures
    assert follower.followed(segmentation(HC, life=Life.CUT), frame(13)).measures[0].best.index == 8
    assert follower.followed(segmentation(HC, life=Life.NEW), frame(14)).measures[0].best.index == 14


@pytest.mark.parametrize(
    ("name", "classes", "moments"),
    [
        ("lv_volume", ("left ventricle",), {"ED", "ES"}),
        ("vessel_diameter", ("lumen",), {"ED", "PS"}),
        ("area", ("lumen",), {"ED", "PS"}),
        ("area", ("head",), None),
    ],
)
def test_a_lumen_and_a_ventricle_have_a_beat_and_a_head_has_none(name, classes, moments):
    follower, found = MeasureFollower(), set()
    for i in range(150):
        value = 100 + 10 * np.cos(2 * np.pi * i / FPS / 0.8)
        one = MeasuredValue(name, name, "ml", classes, float(value))
        seen = follower.followed(segmentation(one, classes=classes), frame(i))
        found |= {mark.moment for mark in seen.cycle.marks} if seen.cycle else set()
    assert found == (moments or set())
    assert (seen.cycle is None) == (moments is None)
    if moments:
        cut = follower.followed(segmentation(one, classes=classes, life=Life.CUT), frame(151))
        assert cut.cycle.latest is None
