"""Test the classification of frames, and the memory gate."""

from statistics import median
from time import perf_counter_ns

import cv2
import numpy as np
import pytest

from rtseg.frame import Frame, Life
from rtseg.session.fingerprint import dissimilarity, fingerprint, is_air
from rtseg.session.lifecycle import Lifecycle, LifecycleLimits
from rtseg.session.memory_gate import MemoryGate
from rtseg.sources.synthetic import open_synthetic

SIZE = "height=144&width=192"


def _images(count, options="seed=1"):
    probe = open_synthetic(f"vessel?{SIZE}&{options}")
    return [probe.image(index) for index in range(count)]


TISSUE = _images(8)
OTHER = _images(8, "seed=2")
AIR = _images(3, "seed=1&faults=lift@0+9")


def _lives(images, indices=None, limits=None):
    lifecycle = Lifecycle(limits)
    indices = indices or range(len(images))
    return [lifecycle.observe(Frame(image, index, 0))[0] for image, index in zip(images, indices, strict=True)]


def test_first_frame_is_new_and_the_stream_goes_on():
    assert _lives(TISSUE) == [Life.NEW] + [Life.LIVE] * 7


def test_another_size_is_new():
    smaller = TISSUE[1][:-8]
    assert _lives([TISSUE[0], smaller, smaller]) == [Life.NEW, Life.NEW, Life.HELD]


def test_a_source_that_begins_again_is_new():
    assert _lives(TISSUE[:3], [0, 1, 0]) == [Life.NEW, Life.LIVE, Life.NEW]


def test_few_drops_are_borne_and_many_are_a_gap():
    assert _lives(TISSUE[:3], [0, 4, 9], LifecycleLimits(gap_frames=3)) == [Life.NEW, Life.LIVE, Life.GAP]


def test_a_stream_that_always_drops_has_a_memory():
    lives = _lives(TISSUE, range(0, 8 * 21, 21))
    assert lives[:2] == [Life.NEW, Life.GAP]
    assert set(lives[4:]) == {Life.LIVE}


@pytest.mark.parametrize(("live", "expected"), [(True, Life.GAP), (False, Life.LIVE)])
def test_silence_of_a_live_source_is_a_gap(live, expected):
    lifecycle = Lifecycle(live=live)
    times = [0, 40, 80, 3080]
    lives = [lifecycle.observe(Frame(TISSUE[i], i, ms * 1_000_000)) for i, ms in enumerate(times)]
    assert [life for life, _ in lives] == [Life.NEW, Life.LIVE, Life.LIVE, expected]
    assert lives[3][1] == ("no frame for 3.0 s" if live else "")


def test_another_patient_is_a_cut_once():
    assert _lives([*TISSUE[:4], *OTHER[:3]])[3:] == [Life.LIVE, Life.CUT, Life.LIVE, Life.LIVE]


@pytest.mark.parametrize("gain_db", [-6, 6])
def test_a_turn_of_the_gain_is_no_cut(gain_db):
    assert _lives(_images(6, f"seed=1&faults=gain@3:{gain_db}")) == [Life.NEW] + [Life.LIVE] * 5


def test_a_change_of_depth_starts_afresh():
    assert _lives(_images(5, "seed=1&faults=depth@3:1.5"))[3:] == [Life.CUT, Life.LIVE]


def test_a_sparse_sequence_is_cut_seldom():
    """Test a sparse stream, whose frames lie seconds apart and always differ."""
    probe = open_synthetic(f"vessel?{SIZE}&seed=1&drift_mm=9")
    lives = _lives([probe.image(index) for index in range(0, 12 * 40, 40)])
    assert lives.count(Life.LIVE) >= 9
    assert Life.HELD not in lives


def test_unrelated_pictures_are_no_stream_however_usual():
    rng = np.random.default_rng(1)
    images = [cv2.resize(rng.integers(0, 256, (12, 16), dtype=np.uint8), (192, 144)) for _ in range(30)]
    assert _lives(images) == [Life.NEW] + [Life.CUT] * 29


def test_the_same_picture_is_held():
    assert _lives([TISSUE[0], TISSUE[0], TISSUE[0], TISSUE[1]]) == [Life.NEW, Life.HELD, Life.HELD, Life.LIVE]


@pytest.mark.parametrize("levels", [1, 3, 5])
def test_a_coder_s_noise_does_not_hide_that_a_picture_is_held(levels):
    frozen = _images(20, f"seed=1&faults=freeze@4+12:{levels}")
    assert _lives(frozen)[3:] == [Life.LIVE] + [Life.HELD] * 12 + [Life.LIVE] * 4


def test_a_still_probe_is_not_held():
    """Test a still probe, whose speckle flickers though nothing moves."""
    assert Life.HELD not in _lives(_images(20, "seed=5&drift_mm=0&bpm=20"))


def test_a_slow_motion_is_not_held_for_ever():
    crawling = [cv2.warpAffine(TISSUE[0], np.float32([[1, 0, 0.04 * k], [0, 1, 0]]), (192, 144)) for k in range(100)]
    lives = _lives(crawling)
    assert set(lives[1:]) == {Life.LIVE, Life.HELD}
    assert all(Life.LIVE in lives[start : start + 5] for start in range(1, 96))


def test_a_clock_on_a_frozen_screen_does_not_thaw_it():
    ticking = [cv2.resize(TISSUE[0], (640, 480)) for _ in range(5)]
    for second, image in enumerate(ticking):
        image[2:14, 2:18] = 40 * second
    assert _lives(ticking) == [Life.NEW] + [Life.HELD] * 4


@pytest.mark.parametrize("geometry", ["linear", "curvilinear"])
@pytest.mark.parametrize("gain_db", [-12, 0, 3])  # more noise exceeds the contrast limit in such a small image
def test_a_lifted_probe_is_lost_at_once_and_found_again(geometry, gain_db):
    images = _images(14, f"seed=1&geometry={geometry}&faults=lift@5+5,gain@0:{gain_db}")
    assert _lives(images)[4:] == [Life.LIVE] + [Life.LOST] * 5 + [Life.LIVE] * 4


@pytest.mark.parametrize("colour", [0, (0, 0, 255)])
def test_a_lost_signal_is_no_contact(colour):
    rgb = [cv2.cvtColor(image, cv2.COLOR_GRAY2RGB) for image in TISSUE[:2]]
    assert _lives([rgb[0], np.full_like(rgb[0], colour), rgb[1]]) == [Life.NEW, Life.LOST, Life.LIVE]


@pytest.mark.parametrize("shape", ["disc", "even", "noise"])
def test_what_is_bright_below_is_contact(shape):
    image = np.full((144, 192), 90 if shape == "even" else 0, np.uint8)
    if shape == "disc":
        cv2.circle(image, (96, 80), 30, 200, -1)
    if shape == "noise":
        image[:] = np.random.default_rng(0).integers(0, 256, image.shape)
    assert not is_air(fingerprint(Frame(image, 0, 0)).coarse, 10)


def test_contact_after_long_is_new():
    lifecycle = Lifecycle(LifecycleLimits(lost_frames=4))
    lives = [lifecycle.observe(Frame(image, i, 0)) for i, image in enumerate([TISSUE[0], *[AIR[0]] * 5, TISSUE[1]])]
    assert lives[-1] == (Life.NEW, "contact again after 5 frames")


def test_a_stream_that_begins_in_air_is_new_with_contact():
    assert _lives([AIR[0], AIR[1], TISSUE[0], TISSUE[1]]) == [Life.LOST, Life.LOST, Life.NEW, Life.LIVE]


def test_the_reason_is_said():
    lifecycle = Lifecycle()
    assert lifecycle.observe(Frame(TISSUE[0], 0, 0)) == (Life.NEW, "first frame")
    assert lifecycle.observe(Frame(TISSUE[1], 100, 0)) == (Life.GAP, "99 frames lost")
    assert lifecycle.observe(Frame(TISSUE[1][:-4], 101, 0)) == (Life.NEW, "size changed from 192x144 to 192x140")
    assert "another scene" in lifecycle.observe(Frame(OTHER[0][:-4], 102, 0))[1]
    assert "no contact" in lifecycle.observe(Frame(AIR[0], 103, 0))[1]


def test_forgetting_makes_the_next_frame_the_first():
    lifecycle = Lifecycle()
    lifecycle.observe(Frame(TISSUE[0], 0, 0))
    lifecycle.forget()
    assert lifecycle.observe(Frame(TISSUE[0], 1, 0)) == (Life.NEW, "first frame")


def test_a_limit_of_nothing_switches_its_question_off():
    never = LifecycleLimits(held_share=0, contact_levels=0, cut_dissimilarity=2, certain_cut_dissimilarity=2)
    assert _lives([TISSUE[0], TISSUE[0], AIR[0], OTHER[0]], limits=never) == [Life.NEW] + [Life.LIVE] * 3


def test_only_the_box_is_looked_at():
    screen = [np.zeros((300, 400), np.uint8) for _ in range(2)]
    for k, one in enumerate(screen):
        one[100:244, 50:242] = TISSUE[0]
        one[:80] = 200 * k
    lifecycle = Lifecycle()
    lives = [lifecycle.observe(Frame(image, i, 0), (100, 50, 144, 192))[0] for i, image in enumerate(screen)]
    assert lives == [Life.NEW, Life.HELD]


def test_it_takes_a_small_part_of_a_frame_period():
    """Compare the time with one area-averaging resize of the frame to the network's input, which every frame needs."""
    image = cv2.resize(TISSUE[0], (1280, 720))
    lifecycle, ours, theirs = Lifecycle(), [], []
    for index in range(40):
        started = perf_counter_ns()
        lifecycle.observe(Frame(image, index, 0))
        middle = perf_counter_ns()
        cv2.resize(image, (256, 256), interpolation=cv2.INTER_AREA)
        ours.append(middle - started)
        theirs.append(perf_counter_ns() - middle)
    assert median(ours) < 1.5 * median(theirs)


def test_the_gate_keeps_doubt_out_but_not_for_ever():
    gate = MemoryGate(LifecycleLimits(memory_confidence=0.9, gated_frames=3))
    assert [gate.admits((value,)) for value in (0.8, 0.8, 0.7, 0.75, 0.0)] == [True, True, False, True, True]
    assert [gate.admits((0.5,)) for _ in range(5)] == [False, False, False, True, False]
    gate.forget()
    assert gate.admits((0.5,))


def test_the_gate_asks_the_surest_class():
    gate = MemoryGate(LifecycleLimits())
    gate.admits((0.9, 0.6))
    assert gate.admits((0.0, 0.85))
    assert not gate.admits((0.7, 0.0))


def test_after_a_long_freeze_the_stream_goes_on_though_time_went_on_behind_it():
    probe = open_synthetic(f"vessel?{SIZE}&seed=1&drift_mm=9")
    before = [probe.image(index) for index in range(30)]
    later = next(image for image in map(probe.image, range(40, 200, 5)) if _unlike(image, before[-1]) > 0.1)
    assert _lives([*before, later])[-1] is Life.CUT
    assert _lives([*before, *[before[-1]] * 10, later])[29:] == [Life.LIVE, *[Life.HELD] * 10, Life.LIVE]
    upside_down = np.ascontiguousarray(before[-1][::-1])
    assert _lives([*before, *[before[-1]] * 10, upside_down])[-1] is Life.CUT


def _unlike(one, other):
    return dissimilarity(fingerprint(Frame(one, 0, 0)).coarse, fingerprint(Frame(other, 0, 0)).coarse)


def test_repeats_of_a_grabber_do_not_hide_a_cut():
    repeated = [image for image in [*TISSUE[:3], *OTHER[:2]] for _ in range(3)]
    assert _lives(repeated)[8:11] == [Life.HELD, Life.CUT, Life.HELD]


def test_another_box_is_looked_at_without_another_judgement():
    screen = [np.zeros((300, 400), np.uint8) for _ in range(3)]
    for k, one in enumerate(screen):
        one[100:244, 50:242] = TISSUE[k]
    lifecycle, box = Lifecycle(), (100, 50, 144, 192)
    assert lifecycle.observe(Frame(screen[0], 0, 0))[0] is Life.NEW
    lifecycle.refocus(Frame(screen[0], 0, 0), box)
    assert lifecycle.observe(Frame(screen[0], 1, 0), box)[0] is Life.HELD
    assert lifecycle.observe(Frame(screen[1], 2, 0), box)[0] is Life.LIVE
    assert lifecycle.observe(Frame(screen[2], 3, 0)) == (Life.NEW, "another part of the picture is looked at")


def test_it_knows_a_freeze_from_repeats_and_a_long_loss_from_a_short_one():
    lifecycle = Lifecycle(LifecycleLimits(freeze_frames=2, lost_frames=3))
    seen = []
    for index, image in enumerate([*[TISSUE[0]] * 4, *[AIR[0]] * 5, TISSUE[1]]):
        lifecycle.observe(Frame(image, index, 0))
        seen.append((lifecycle.is_frozen, lifecycle.is_long_lost))
    assert [frozen for frozen, _ in seen] == [False] * 3 + [True] + [False] * 6
    assert [lost for _, lost in seen] == [False] * 7 + [True] * 2 + [False]
