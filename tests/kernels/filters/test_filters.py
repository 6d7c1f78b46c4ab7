"""Tests the filters on speckle, edges and bad input, and against other libraries."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from rtseg.errors import ConfigError, ImageError
from rtseg.kernels import (
    Fan,
    bilateral,
    clahe,
    closing,
    drop_small,
    fill_holes,
    frost,
    hysteresis,
    keep_largest,
    kuan,
    lee,
    log_compress,
    median,
    non_local_means,
    opening,
    perona_malik,
    persistence,
    srad,
    to_beams,
    to_fan,
)
from rtseg.kernels.filters.fast_exp import fast_exp_neg
from rtseg.kernels.filters.median import _median_network
from rtseg.kernels.runtime.cases import speckle

RNG = np.random.default_rng(0)
SPECKLE_FILTERS = [bilateral, frost, kuan, lee, median, non_local_means, perona_malik, srad]


def two_tissues(deviation: float) -> np.ndarray:
    """Return two uniform halves, 60 and 160, in multiplicative noise: (64, 64) uint8."""
    levels = np.where(np.arange(64) < 32, 60, 160) * (1 + deviation * np.random.default_rng(1).standard_normal((64, 64)))
    return levels.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("speckle_filter", SPECKLE_FILTERS, ids=lambda made: made.name)
def test_a_speckle_filter_calms_tissue_and_keeps_its_level_and_the_edge(speckle_filter: Callable[..., np.ndarray]) -> None:
    noisy = two_tissues(0.15)
    calm = speckle_filter(noisy).astype(float)
    for tissue in (slice(4, 26), slice(38, 60)):
        assert calm[:, tissue].std() < 0.7 * noisy[:, tissue].std()
        assert calm[:, tissue].mean() == pytest.approx(noisy[:, tissue].mean(), rel=0.05)
    assert calm[:, 36:40].mean() - calm[:, 24:28].mean() > 85


@pytest.mark.parametrize("speckle_filter", SPECKLE_FILTERS, ids=lambda made: made.name)
@pytest.mark.parametrize("level", [0, 77, 255])
def test_a_speckle_filter_leaves_a_flat_picture_alone(speckle_filter: Callable[..., np.ndarray], level: int) -> None:
    flat = np.full((9, 14), level, np.uint8)
    out = np.empty_like(flat)
    assert speckle_filter(flat, out=out) is out
    assert np.array_equal(out, flat)


@pytest.mark.parametrize("speckle_filter", SPECKLE_FILTERS, ids=lambda made: made.name)
def test_a_filter_may_write_over_its_image(speckle_filter: Callable[..., np.ndarray]) -> None:
    image = two_tissues(0.2)
    expected = speckle_filter(image.copy())
    assert np.array_equal(speckle_filter(image, out=image), expected)


@pytest.mark.parametrize("speckle_filter", SPECKLE_FILTERS, ids=lambda made: made.name)
def test_a_filter_takes_one_grey_plane(speckle_filter: Callable[..., np.ndarray]) -> None:
    for wrong in (np.zeros((4, 4, 3), np.uint8), np.zeros((0, 4), np.uint8), np.zeros((4, 4), np.float32)):
        with pytest.raises(ImageError, match="a grey image is"):
            speckle_filter(wrong)


@pytest.mark.parametrize(
    ("speckle_filter", "options", "words"),
    [
        (median, {"size": 4}, "window's size is 4: give one of 3, 5, 7"),
        (lee, {"size": 2}, "window's size"),
        (lee, {"noise": -1}, "coefficient of variation is -1"),
        (kuan, {"noise": float("nan")}, "coefficient of variation is nan"),
        (frost, {"damping": -1}, "the damping is -1"),
        (srad, {"iterations": -1}, "number of iterations"),
        (srad, {"noise": 0.0}, "coefficient of variation"),
        (perona_malik, {"edge": 0.0}, "edge's height"),
        (bilateral, {"contrast": 0.0}, "the contrast"),
        (bilateral, {"reach": 0.0}, "the reach"),
        (non_local_means, {"strength": 0.0}, "the strength"),
        (non_local_means, {"search": 99}, "search radius"),
        (clahe, {"limit": 0.5}, "the limit"),
        (clahe, {"tiles": 0}, "number of tiles"),
        (median, {"size": 5.0}, "window's size is 5.0"),
        (srad, {"iterations": 2.5}, "iterations is 2.5: give a whole number"),
        (lee, {"noise": "much"}, "is 'much': give a value from 0 to 10"),
        (opening, {"radius": 1.5}, "the radius in pixels is 1.5: give a whole number"),
        (opening, {"radius": -1}, "the radius"),
        (closing, {"radius": 99}, "the radius"),
        (drop_small, {"least": -1}, "least area"),
    ],
)
def test_a_strength_out_of_range_is_refused(speckle_filter: Callable[..., np.ndarray], options: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        speckle_filter(np.zeros((4, 4), np.uint8), **options)


@pytest.mark.parametrize("size", [3, 5, 7])
def test_the_median_is_opencvs(size: int) -> None:
    image = RNG.integers(0, 256, (40, 600), np.uint8)
    assert np.array_equal(median(image, size), cv2.medianBlur(image, size))


def test_the_network_of_7_selects_the_median_of_every_sorted_matrix() -> None:
    """Check zeros and ones only: a network that sorts those sorts everything (Knuth's 0-1 principle)."""
    _, select, middle = _median_network(7)
    for ones in RNG.integers(0, 8, (500, 7)):
        values = [int(column >= 7 - count) for count in np.sort(ones) for column in range(7)]
        expected = sorted(values)[24]
        for low, high, _, _ in select:
            values[low], values[high] = min(values[low], values[high]), max(values[low], values[high])
        assert values[middle] == expected


def test_the_bilateral_filter_is_opencvs() -> None:
    image = two_tissues(0.2)
    theirs = cv2.bilateralFilter(image, 5, 30, 2, borderType=cv2.BORDER_REPLICATE)
    assert np.abs(bilateral(image, 5, 30, 2).astype(int) - theirs).max() <= 1


def test_clahe_is_opencvs() -> None:
    image = speckle((384, 512))  # large tiles: OpenCV clips with integer counts, and ours are fractions
    theirs = cv2.createCLAHE(3.0, (8, 8)).apply(image)
    assert np.abs(clahe(image, 3.0, 8).astype(int) - theirs).max() <= 6


def test_falling_is_the_exponential() -> None:
    x = np.linspace(0, 15, 500, dtype=np.float32)
    assert np.abs(np.array([fast_exp_neg(value) for value in x]) - np.exp(-x)).max() < 1e-4


def test_persistence_reaches_a_scene_that_stands_still() -> None:
    picture, scene = np.array([[0, 255, 7]], np.uint8), np.array([[255, 0, 8]], np.uint8)
    first = persistence(scene, picture, 0.25)
    assert first.tolist() == [[64, 191, 8]]
    for _ in range(40):
        picture = persistence(scene, picture, 0.1)
    assert np.array_equal(picture, scene)
    with pytest.raises(ImageError, match="start again from the new frame"):
        persistence(scene, picture[:, :2], 0.5)


def test_log_compression_spans_the_dynamic_range() -> None:
    envelope = np.array([[1, 0.1, 0.001, 0.0001, 0, np.nan, np.inf, -3]], np.float32)
    assert log_compress(envelope, 1.0, 60.0).tolist() == [[255, 170, 0, 0, 0, 0, 255, 0]]
    with pytest.raises(ConfigError, match="reference amplitude is 0"):
        log_compress(envelope, 0.0)


def test_a_picture_survives_the_way_to_beams_and_back() -> None:
    fan = Fan((-20.0, 60.0), 25.0, 110.0, -0.6, 0.6)
    y, x = np.indices((90, 120))
    picture = (120 + 60 * np.sin(y / 9) * np.cos(x / 11)).astype(np.uint8)
    back = to_fan(to_beams(picture, fan, (200, 260)), fan, picture.shape)
    distance, angle = np.hypot(y + 20, x - 60), np.arctan2(x - 60, y + 20)
    inside = (distance > 27) & (distance < 108) & (abs(angle) < 0.58)
    assert inside.sum() > 3000
    assert np.abs(back.astype(int) - picture)[inside].max() <= 4
    assert not back[(distance > 111) | (abs(angle) > 0.62)].any()
    with pytest.raises(ConfigError, match="is no fan"):
        Fan((0.0, 0.0), 5.0, 5.0, -1.0, 1.0)
    with pytest.raises(ConfigError, match="result's shape is"):
        to_fan(picture, fan, (0, 5))


def test_scan_conversion_may_write_over_its_image() -> None:
    image = two_tissues(0.2)
    expected = to_fan(image, Fan((-9.0, 30.0), 10.0, 60.0, -0.5, 0.5), (64, 64))
    assert np.array_equal(to_fan(image, Fan((-9.0, 30.0), 10.0, 60.0, -0.5, 0.5), (64, 64), out=image), expected)


def test_hysteresis_follows_weak_pixels_from_strong_ones() -> None:
    values = np.array([[0.9, 0.5, 0.1, 0.5], [0.1, 0.1, 0.5, 0.1], [np.nan, 0.1, 0.1, 0.1]], np.float32)
    assert hysteresis(values, 0.4, 0.8).tolist() == [[1, 1, 0, 1], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert not hysteresis(values, 0.4, 0.95).any()
    with pytest.raises(ConfigError, match="give the lower one first"):
        hysteresis(values, 0.8, 0.4)


def test_the_largest_region_is_opencvs() -> None:
    labels = (RNG.random((60, 80)) < 0.45).astype(np.uint8)
    _, regions, stats, _ = cv2.connectedComponentsWithStats(labels, connectivity=8)
    assert np.array_equal(keep_largest(labels, (1,)) > 0, regions == 1 + stats[1:, cv2.CC_STAT_AREA].argmax())
    assert np.array_equal(drop_small(labels, 9) > 0, (stats[regions, cv2.CC_STAT_AREA] >= 9) & (regions > 0))
    with pytest.raises(ConfigError, match="give values from 1 to 255"):
        keep_largest(labels, (0,))


def test_holes_belong_to_the_class_around_them() -> None:
    labels = np.zeros((9, 12), np.uint8)
    labels[1:8, 1:6] = 1
    labels[3:5, 2:4] = 0  # a hole of class 1
    labels[1:8, 6:11] = 2
    labels[4, 5:7] = 0  # between two classes: no hole
    labels[8, 9] = 0
    filled = fill_holes(labels)
    assert (filled[3:5, 2:4] == 1).all()
    assert not filled[4, 5:7].any()
    assert np.count_nonzero(filled != labels) == 4


def test_one_label_and_all_labels_pass_through_the_components() -> None:
    labels = RNG.integers(0, 2, (20, 20), np.uint8)
    expected = keep_largest(labels, (1,))
    assert np.array_equal(keep_largest(labels, (1,), out=labels), expected)
    assert np.array_equal(keep_largest(labels, ()), labels)


@pytest.mark.parametrize(("ours", "theirs"), [(opening, cv2.MORPH_OPEN), (closing, cv2.MORPH_CLOSE)])
def test_opening_and_closing_are_opencvs(ours: Callable[..., np.ndarray], theirs: int) -> None:
    image = RNG.integers(0, 256, (40, 50), np.uint8)
    for radius in (1, 3):
        square = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
        assert np.array_equal(ours(image, radius), cv2.morphologyEx(image, theirs, square))
