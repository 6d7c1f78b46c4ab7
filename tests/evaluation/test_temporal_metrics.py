"""Tests the temporal metrics on masks with hand-computed values."""

import math

import cv2
import numpy as np
import pytest

from rtseg.errors import ConfigError, ImageError
from rtseg.evaluation.temporal_metrics import (
    ClipMotion,
    area_jitter,
    centroid_jerk,
    compute_temporal_metrics,
    dtssd,
    false_resets,
    flicker,
    lag,
    recovery,
    temporal_iou,
)
from rtseg.session.optical_flow import OpticalFlow, warp

SIDE = 64


def _texture(seed=0):
    rng = np.random.default_rng(seed)
    return cv2.GaussianBlur(rng.integers(0, 256, (SIDE, SIDE), dtype=np.uint8), (0, 0), 2) * np.uint8(2)


def _square(left, top=20, side=10):
    mask = np.zeros((SIDE, SIDE), bool)
    mask[top : top + side, left : left + side] = True
    return mask


STILL = [_texture()] * 8


def test_a_mask_that_stands_is_steady():
    found = compute_temporal_metrics(ClipMotion(STILL), [_square(20)] * 8, [_square(20)] * 8)
    assert (found.flicker, found.temporal_iou, found.area_jitter) == (0, 1, 0)
    assert (found.centroid_jerk_px, found.dtssd) == (0, 0)
    assert math.isnan(found.lag_frames)  # the ground truth does not move


def test_flicker_counts_what_flips_back():
    masks = [_square(20)] * 8
    masks[3] = _square(20) & ~_square(20, side=5)  # 25 of 100 pixels vanish and return
    assert flicker(ClipMotion(STILL), masks) == pytest.approx(25 / (5 * 100 + 75))


def test_flicker_leaves_out_where_the_picture_changes():
    masks, images = [_square(20)] * 8, [image.copy() for image in STILL]
    masks[3] = _square(20) & ~_square(20, side=5)
    images[3][:] = 255  # without texture for optical flow
    assert flicker(ClipMotion(images), masks) < 0.01  # 0.04 with an unchanged picture


def test_blinking_is_all_flicker():
    masks = [_square(20) if t % 2 else np.zeros((SIDE, SIDE), bool) for t in range(9)]
    assert flicker(ClipMotion([STILL[0]] * 9), masks) >= 1
    assert flicker(ClipMotion([STILL[0]] * 3), [masks[0]] * 3) == 0
    assert math.isnan(flicker(ClipMotion(STILL[:2]), masks[:2]))


def test_temporal_iou_follows_the_picture():
    big = _texture()
    images = [np.roll(big, t, axis=1) for t in range(5)]
    moving = temporal_iou(ClipMotion(images), [_square(24 + t) for t in range(5)])
    standing = temporal_iou(ClipMotion(images), [_square(24)] * 5)
    assert moving > 0.95
    assert standing == pytest.approx(90 / 110, abs=0.05)


def test_area_jitter_by_hand():
    areas = [10, 10, 13, 10, 10]  # second differences 3, -6, 3
    masks = [np.arange(SIDE * SIDE).reshape(SIDE, SIDE) < area for area in areas]
    assert area_jitter(masks) == pytest.approx(4 / 10.6)
    growing = [np.arange(SIDE * SIDE).reshape(SIDE, SIDE) < 10 * t for t in range(1, 6)]
    assert area_jitter(growing) == 0
    assert math.isnan(area_jitter([np.zeros((4, 4), bool)] * 4))


def test_centroid_jerk_by_hand():
    assert centroid_jerk([_square(10 + t) for t in range(6)]) == pytest.approx(0)
    places = [10, 10, 12, 10, 10]  # third differences -6, 6
    assert centroid_jerk([_square(left) for left in places]) == pytest.approx(6)
    absent = [_square(10), np.zeros((SIDE, SIDE), bool)] * 3
    assert math.isnan(centroid_jerk(absent))


def test_dtssd_by_hand():
    truths, masks = [_square(20)] * 3, [_square(20), _square(21), _square(21)]
    assert dtssd(masks, truths) == pytest.approx(math.sqrt(20 / SIDE**2) / 2)
    assert dtssd([_square(20 + t) for t in range(4)], [_square(30 + t) for t in range(4)]) > 0
    assert dtssd(masks, masks) == 0


@pytest.mark.parametrize("late", [0, 1, 3])
def test_lag_is_found(late):
    path = [20 + round(12 * math.sin(t / 3)) for t in range(30)]
    truths = [_square(left) for left in path]
    masks = [truths[max(0, t - late)] for t in range(30)]
    assert lag(masks, truths) == pytest.approx(late, abs=0.3)


def test_lag_of_a_smoothed_mask_is_a_fraction():
    truths = [_square(20 + round(12 * math.sin(t / 4))) for t in range(40)]
    masks = [truths[max(0, t - 1)] | truths[t] for t in range(40)]
    assert 0.2 < lag(masks, truths) < 0.8


def test_a_mask_that_is_too_large_is_not_late():
    path = [20 + round(12 * math.sin(t / 4)) for t in range(40)]
    assert lag([_square(left, side=14) for left in path], [_square(left) for left in path]) == pytest.approx(0, abs=0.05)


def test_recovery_by_hand():
    overlaps = [0.9, 0.9, 0.9, 0.0, 0.5, 0.85, 0.9, 0.9]
    assert recovery(overlaps, 3) == 2
    assert recovery([0.9] * 8, 3) == 0
    assert recovery([0.9] * 3 + [0.1] * 5, 3) == math.inf
    assert math.isnan(recovery([0.0] * 8, 3))
    with pytest.raises(ConfigError, match="no before or no after"):
        recovery(overlaps, 0)


def test_false_resets_by_hand():
    assert false_resets(5, 3, 4000) == 5
    assert false_resets(2, 3, 4000) == 0
    with pytest.raises(ConfigError, match="no frame"):
        false_resets(0, 0, 0)


def test_what_does_not_fit_is_said():
    with pytest.raises(ConfigError, match="give one for each"):
        dtssd([_square(3)] * 3, [_square(3)] * 2)
    with pytest.raises(ImageError, match="of different sizes"):
        flicker(ClipMotion([np.zeros((4, 5), np.uint8)] * 3), [_square(3)] * 3)
    with pytest.raises(ImageError, match="bool"):
        area_jitter([np.zeros((4, 5), np.uint8)])


@pytest.mark.parametrize("careful", [False, True])
def test_flow_finds_a_known_motion(careful):
    before = _texture()
    now = np.roll(before, (2, 3), axis=(0, 1))
    field = OpticalFlow(precise=careful).between(before, now)
    middle = field[16:-16, 16:-16]
    np.testing.assert_allclose(np.median(middle, axis=(0, 1)), [-3, -2], atol=0.3)
    brought = warp(before.astype(np.float32), field)
    assert np.abs(brought - now)[12:-12, 12:-12].mean() < 0.3 * np.abs(before.astype(float) - now)[12:-12, 12:-12].mean()


def test_pictures_too_small_for_flow_stand_still():
    assert not OpticalFlow().between(np.zeros((8, 40), np.uint8), np.ones((8, 40), np.uint8)).any()
