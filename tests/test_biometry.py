"""Ellipses: drawn, found again, and measured."""

import math

import cv2
import numpy as np
import pytest
from scipy.special import ellipe

from rtseg.biometry import Ellipse, ellipse_of, head_biometry


def _drawn(major: float, minor: float, angle_rad: float, shape: tuple[int, int] = (300, 400)) -> np.ndarray:
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(float)
    y, x = rows - 140, columns - 210
    along, across = x * math.cos(angle_rad) + y * math.sin(angle_rad), y * math.cos(angle_rad) - x * math.sin(angle_rad)
    return (along / (major / 2)) ** 2 + (across / (minor / 2)) ** 2 <= 1


@pytest.mark.parametrize("angle", [-1.2, -0.3, 0.0, 0.7, math.pi / 2])
def test_a_drawn_ellipse_is_found(angle: float):
    found = ellipse_of(_drawn(180, 120, angle))
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
    assert ellipse_of(np.zeros((4, 4), bool)) is None
    assert head_biometry(np.zeros((4, 4), bool)) is None


def test_one_pixel_is_an_ellipse_too():
    mask = np.zeros((5, 5), bool)
    mask[2, 3] = True
    assert 0 < ellipse_of(mask).circumference < 4
