"""Tests the normalization of a picture by its own statistics against values computed by hand."""

import numpy as np
import pytest

from rtseg.errors import ConfigError
from rtseg.kernels import Fit, fit_input, letterbox

RNG = np.random.default_rng(1)
FRAME = RNG.integers(20, 200, (60, 80), np.uint8)
SECTOR = Fit((10, 20, 40, 50), (40, 60), (0, 5, 40, 50))  # of its own size, with black on both sides


def inside(x):
    return x[0, :, :, 5:55]


def test_a_z_score_is_that_of_the_sector_alone():
    crop = FRAME[10:50, 20:70].astype(float)
    x = fit_input(FRAME, SECTOR, (0.0,), (1.0,), statistics="zscore")
    np.testing.assert_allclose(inside(x)[0], (crop - crop.mean()) / crop.std(), atol=1e-4)
    assert x[0, 0, 0, 0] == pytest.approx(-crop.mean() / crop.std(), abs=1e-4)  # black


def test_what_surrounds_the_sector_does_not_count():
    other = FRAME.copy()
    other[:10], other[:, 70:] = 255, 0
    for statistics in ("zscore", "minmax", "percentile"):
        ours, theirs = (fit_input(frame, SECTOR, (0.5,), (0.5,), statistics=statistics) for frame in (FRAME, other))
        np.testing.assert_array_equal(ours, theirs)


def test_min_max_fills_0_to_1_and_mean_and_std_follow():
    x = fit_input(FRAME, SECTOR, (0.5,), (0.5,), statistics="minmax")
    assert (inside(x).min(), inside(x).max()) == pytest.approx((-1, 1), abs=1e-5)
    assert x[0, 0, 0, 0] == pytest.approx(-1)  # black is clipped to the least


def test_percentiles_are_those_of_numpy_to_a_gray_level():
    crop = FRAME[10:50, 20:70].astype(float)
    low, high = np.percentile(crop, (1, 99))
    x = fit_input(FRAME, SECTOR, (0.0,), (1.0,), statistics="percentile", percentiles=(1, 99))
    np.testing.assert_allclose(inside(x)[0], ((crop - low) / (high - low)).clip(0, 1), atol=2 / (high - low))


def test_gain_and_gray_offset_of_the_scanner_do_not_matter():
    frame = RNG.integers(0, 100, (64, 64), np.uint8)
    fit = letterbox((0, 0, 64, 64), (32, 32))
    for statistics in ("zscore", "minmax"):
        ours, theirs = (fit_input(image, fit, (0.0,), (1.0,), statistics=statistics) for image in (frame, frame * 2 + 40))
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_a_picture_of_one_level_stays_finite():
    for statistics in ("zscore", "minmax", "percentile"):
        x = fit_input(np.full((8, 8), 77, np.uint8), letterbox((0, 0, 8, 8), (8, 8)), (0.0,), (1.0,), statistics=statistics)
        np.testing.assert_allclose(x, 0, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"statistics": "median"}, "zscore"), ({"statistics": "percentile", "percentiles": (99, 1)}, "lower first")],
)
def test_what_makes_no_sense_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        fit_input(FRAME, SECTOR, (0.0,), (1.0,), **options)
