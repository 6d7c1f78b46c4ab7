"""Test the fit and the fill of ellipses, and head biometry."""

import math

import cv2
import numpy as np
import pytest
from scipy.special import ellipe

from rtseg.measure.ellipse import Ellipse, fill_ellipse, fit_ellipse
from rtseg.measure.head import head_biometry


def _drawn(major: float, minor: float, angle_rad: float, shape: tuple[int, int] = (300, 400)) -> np.ndarray:
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(float)
    y, x = rows - 140, columns - 210
    along, across = x * math.cos(angle_rad) + y * math.sin(angle_rad), y * math.cos(angle_rad) - x * math.sin(angle_rad)
    return (along / (major / 2)) ** 2 + (across / (minor / 2)) ** 2 <= 1


@pytest.mark.parametrize("angle", [-1.2, -0.3, 0.0, 0.7, math.pi / 2])
def test_a_drawn_ellipse_is_found(angle: float):
    found = fit_ellipse(_drawn(180, 120, angle))
    assert found.major == pytest.approx(180, rel=0.005)
    assert found.minor == pytest.approx(120, rel=0.005)
    assert found.centre == pytest.approx((140, 210), abs=0.1)
    assert abs(math.sin(found.angle_rad - angle)) < 0.01
    assert -math.pi / 2 < found.angle_rad <= math.pi / 2


@pytest.mark.parametrize(("major", "minor"), [(2.0, 2.0), (3.0, 2.0), (10.0, 4.0)])
def test_the_perimeter_is_the_elliptic_integral(major: float, minor: float):
    exact = 2 * major * ellipe(1 - (minor / major) ** 2)
    assert Ellipse((0, 0), major, minor, 0).circumference == pytest.approx(exact, rel=1e-5)


def test_pixels_that_are_not_square():
    mask = _drawn(160, 160, 0)
    squeezed = cv2.resize(mask.astype(np.uint8), (200, 300), interpolation=cv2.INTER_NEAREST).astype(bool)
    found = head_biometry(squeezed, (0.1, 0.2))
    assert found.hc == pytest.approx(math.pi * 16, rel=0.01)
    assert (found.bpd, found.ofd) == pytest.approx((16, 16), rel=0.01)


def test_no_head():
    assert fit_ellipse(np.zeros((4, 4), bool)) is None
    assert head_biometry(np.zeros((4, 4), bool)) is None


def test_one_pixel_is_an_ellipse_too():
    mask = np.zeros((5, 5), bool)
    mask[2, 3] = True
    assert 0 < fit_ellipse(mask).circumference < 4


@pytest.mark.parametrize("angle", [-1.2, 0.0, 0.7])
def test_a_filled_ellipse_stays_as_it_is(angle: float):
    mask = _drawn(180, 120, angle)
    assert np.count_nonzero(fill_ellipse(mask) ^ mask) <= 0.002 * np.count_nonzero(mask)


def test_a_ragged_border_is_made_good():
    whole = _drawn(180, 120, 0.4)
    rows, columns = np.mgrid[-140:160, -210:190]
    waves = 1 + 0.05 * np.sin(11 * np.arctan2(rows, columns))
    source = np.round(rows * waves + 140).astype(int).clip(0, 299), np.round(columns * waves + 210).astype(int).clip(0, 399)
    ragged = whole[source]
    assert np.count_nonzero(fill_ellipse(ragged) ^ whole) < 0.25 * np.count_nonzero(ragged ^ whole)


def test_it_is_cut_at_the_edge_of_the_picture():
    mask = np.zeros((20, 30), bool)
    mask[:, :10] = True
    filled = fill_ellipse(mask)
    assert filled.shape == mask.shape
    assert filled[10, 0]
    assert not filled[:, 25:].any()


@pytest.mark.parametrize("shape", [(0, 5), (4, 0), (1, 1), (6, 7)])
def test_nothing_is_no_ellipse(shape: tuple[int, int]):
    assert not fill_ellipse(np.zeros(shape, bool)).any()


def test_every_pixel_alone_is_its_own_ellipse():
    for row, column in np.ndindex(3, 4):
        mask = np.zeros((3, 4), bool)
        mask[row, column] = True
        np.testing.assert_array_equal(fill_ellipse(mask), mask)


def test_a_head_is_measured_along_the_middle_of_its_outline():
    """Fill an outline of 3 pixels, which reaches 1.5 pixels beyond the ellipse along which an expert measured."""
    mask = _drawn(240 + 3, 180 + 3, 0.3)
    true = Ellipse((150, 200), 2 * 120 * 0.2, 2 * 90 * 0.2, 0.0).circumference
    plain, inner = head_biometry(mask, (0.2, 0.2)), head_biometry(mask, (0.2, 0.2), outline_px=1.5)
    assert plain is not None
    assert inner is not None
    assert plain.hc - true > 1.5
    assert abs(inner.hc - true) < 0.3
    assert plain.bpd - inner.bpd == pytest.approx(0.6)
    assert head_biometry(np.zeros((5, 5), bool), outline_px=2.0) is None
