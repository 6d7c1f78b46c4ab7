"""Test when an object counts as lost: an unsure network, or a mask that jumps to where motion cannot have brought it."""

import cv2
import numpy as np
import pytest

from rtseg.frame import Frame, Image
from rtseg.session.object_track import FOUND_AFTER, FOUND_FROM, LOST_AFTER, LOST_BELOW, STRIDE, MaskPlace, ObjectTrack
from rtseg.session.picture_motion import PictureMotion

STILL = (0.0, 0.0)


def place(x: int, y: int, radius: tuple[int, int] = (20, 20)) -> MaskPlace:
    mask = cv2.ellipse(np.zeros((400, 600), np.uint8), (x, y), radius, 0, 0, 360, 1, -1)
    return MaskPlace(mask[::STRIDE, ::STRIDE] > 0, (float(y), float(x)), int(np.count_nonzero(mask)))


def speckled(seed: int) -> Image:
    noise = np.random.default_rng(seed).normal(0, 1, (320, 480))
    smooth = np.asarray(cv2.GaussianBlur(noise, (0, 0), 5))
    return (128 + 100 * np.tanh(smooth / smooth.std())).astype(np.uint8)


def lost(track: ObjectTrack, *frames: tuple[float, MaskPlace | None], shift: tuple[float, float] = STILL) -> list[bool]:
    states = []
    for confidence, where in frames:
        track.observe(confidence, where, shift, 1)
        states.append(track.is_lost)
    return states


def test_an_unsure_network_loses_it_after_some_frames_and_finds_it_again_after_some() -> None:
    track, here = ObjectTrack(), place(100, 100)
    assert lost(track, (0.9, here), *[(LOST_BELOW - 0.1, here)] * 3) == [False, False, False, True]
    assert LOST_AFTER == 3
    between = (LOST_BELOW + FOUND_FROM) / 2
    assert lost(track, (between, here), (between, here)) == [True, True]
    assert lost(track, (0.9, here), (0.9, here), (between, here)) == [True, False, False]
    assert FOUND_AFTER == 2


def test_a_frame_without_a_mask_is_unsure_whatever_the_network_says() -> None:
    assert lost(ObjectTrack(), *[(0.9, None)] * 3) == [False, False, True]


def test_single_bad_frames_lose_nothing() -> None:
    here = place(100, 100)
    assert not any(lost(ObjectTrack(), *[(0.9, here), (0.1, None), (0.2, here)] * 5))


def test_steady_motion_is_followed_and_a_jump_is_not() -> None:
    track = ObjectTrack()
    assert not any(lost(track, *[(0.9, place(100 + 15 * step, 100)) for step in range(20)]))
    neighbor = place(100 + 15 * 19 + 80, 100)
    assert all(lost(track, *[(0.95, neighbor)] * 30))
    assert track.is_displaced
    back = place(100 + 15 * 19, 104)
    assert lost(track, (0.9, back), (0.9, back)) == [True, False]
    assert not track.is_displaced


def test_after_it_was_lost_it_may_come_back_anywhere() -> None:
    track = ObjectTrack()
    lost(track, (0.9, place(100, 100)), *[(0.0, None)] * LOST_AFTER)
    assert lost(track, *[(0.9, place(400, 300))] * 2) == [True, False]


def test_a_thin_mask_of_which_a_part_is_missing_has_not_jumped() -> None:
    whole, half = place(300, 100, (150, 6)), place(220, 100, (70, 6))
    assert not any(lost(ObjectTrack(), (0.9, whole), (0.9, half), (0.9, whole)))


def test_dropped_frames_and_a_moved_picture_explain_a_new_place() -> None:
    track = ObjectTrack()
    track.observe(0.9, place(100, 100), STILL, 1)
    track.observe(0.9, place(160, 100), STILL, 4)
    assert not track.is_lost
    track.observe(0.9, place(240, 130), (30.0, 80.0), 1)
    assert not track.is_lost


def test_the_motion_of_a_whole_picture_is_found_and_that_of_nothing_is_not() -> None:
    speckle, other = speckled(3), speckled(4)
    motion, box = PictureMotion(), (0, 0, 320, 480)
    motion.observe(Frame(speckle, 0, 0), box)
    assert motion.shift() == STILL
    motion.observe(Frame(np.roll(speckle, (20, 45), (0, 1)), 1, 0), box)
    assert motion.shift() == pytest.approx((20, 45), abs=4)
    motion.observe(Frame(other, 2, 0), box)
    assert motion.shift() == STILL
    motion.observe(Frame(other, 3, 0), (0, 0, 320, 240))
    assert motion.shift() == STILL


def test_a_mask_that_leaks_or_shrinks_is_lost_until_it_has_its_size_again() -> None:
    track, here = ObjectTrack(), place(200, 200)
    leaking = [(0.95, place(200, 200, (20 + 2 * i, 20))) for i in range(20)]
    states = lost(track, (0.9, here), *leaking)
    assert states[:13] == [False] * 13
    assert states[-1]
    assert track.is_displaced
    assert lost(track, (0.9, here), (0.9, here)) == [True, False]
    assert lost(track, *[(0.9, place(200, 200, (11, 11)))] * 3) == [False, False, True]


def test_another_view_may_show_it_in_another_size() -> None:
    track = ObjectTrack()
    assert not any(lost(track, (0.9, place(200, 200))))
    track.interrupt()
    assert lost(track, *[(0.9, place(200, 200, (45, 45)))] * 4) == [True, False, False, False]
