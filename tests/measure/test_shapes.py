"""Test the measures on shapes whose truth is known."""

import math

import numpy as np
import pytest

from rtseg.measure.ellipsoid import ellipsoid_volume
from rtseg.measure.head import gestational_age_weeks, outer_to_inner_diameter
from rtseg.measure.layer_thickness import layer_thickness, pennation_angle, split_layers
from rtseg.measure.lesion import lesion_extent, taller_than_wide
from rtseg.measure.needle import distance_to, find_needle
from rtseg.measure.outline import callipers, largest_region, perimeter, trace_outline
from rtseg.measure.ventricle import area_length_volume, disc_volume, ejection_fractions, long_axis
from rtseg.measure.vessel import area_strain, distensibility, lumen_diameter

EMPTY = np.zeros((20, 30), bool)


def ellipse(major, minor, angle=0.0, spacing=(1.0, 1.0), shape=(260, 320)):
    """Draw an ellipse whose full axes are in the unit of the spacing, the major one turned from along to down."""
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(float)
    y, x = (rows - shape[0] / 2 + 0.3) * spacing[0], (columns - shape[1] / 2 - 0.2) * spacing[1]
    along, across = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    return (along / (major / 2)) ** 2 + (across / (minor / 2)) ** 2 <= 1


def band(width, angle, length=240.0, offset=0.0, shape=(260, 320)):
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(float)
    y, x = rows - shape[0] / 2, columns - shape[1] / 2
    along, across = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    return (np.abs(across - offset) <= width / 2) & (np.abs(along) <= length / 2)


@pytest.mark.parametrize("radius", [12, 20, 45, 110])
def test_a_circle_has_its_perimeter_and_callipers(radius):
    mask = ellipse(2 * radius, 2 * radius)
    assert perimeter(trace_outline(mask)) == pytest.approx(2 * math.pi * radius, rel=0.005)
    assert callipers(mask) == pytest.approx((2 * radius, 2 * radius), rel=0.005, abs=0.5)


@pytest.mark.parametrize("angle", [0.0, 0.4, 1.1, math.pi / 2])
def test_an_ellipse_of_pixels_that_are_not_square(angle):
    spacing = (0.2, 0.3)
    mask = ellipse(44, 28, angle, spacing)
    h = ((44 - 28) / (44 + 28)) ** 2
    exact = math.pi * 36 * (1 + 3 * h / (10 + math.sqrt(4 - 3 * h)))
    assert perimeter(trace_outline(mask), spacing) == pytest.approx(exact, rel=0.005)
    assert callipers(mask, spacing) == pytest.approx((28, 44), rel=0.005)


def test_the_outline_is_that_of_the_largest_region():
    mask = ellipse(100, 80)
    mask[:6, :6] = True
    assert perimeter(trace_outline(mask)) == pytest.approx(perimeter(trace_outline(ellipse(100, 80))))
    assert not largest_region(mask)[0, 0]
    assert largest_region(mask).any()


@pytest.mark.parametrize("angle", [0.0, 0.3, -0.8, 1.4])
def test_a_lengthwise_vessel_has_its_width(angle):
    assert lumen_diameter(band(31.0, angle, 150)) == pytest.approx(31, rel=0.02)


def test_a_vessel_cut_across_has_the_diameter_of_its_area():
    assert lumen_diameter(ellipse(9, 9, spacing=(0.05, 0.08)), (0.05, 0.08)) == pytest.approx(9, rel=0.005)


def test_the_area_over_the_pulse():
    assert area_strain([20, 22, 0, 21]) == pytest.approx(0.1)
    assert distensibility([20, 22], 40) == pytest.approx(0.0025)
    assert math.isnan(distensibility([20, 22], 0))
    assert math.isnan(area_strain([0, 0]))


def test_a_lesion_taller_than_wide():
    mask = ellipse(20, 12, math.pi / 2, (0.1, 0.1))
    assert lesion_extent(mask, (0.1, 0.1)) == pytest.approx((20, 12), rel=0.01)
    assert taller_than_wide(mask, (0.1, 0.1)) == pytest.approx(20 / 12, rel=0.01)
    assert taller_than_wide(EMPTY) is None


@pytest.mark.parametrize("angle", [0.0, 0.2, -0.35])
def test_the_thickness_between_two_layers(angle):
    upper, lower = band(8, angle, offset=-44), band(10, angle, offset=45)
    assert layer_thickness(upper, lower) == pytest.approx(80, abs=1)
    assert layer_thickness(upper, lower, (0.1, 0.1)) == pytest.approx(8, abs=0.1)
    first, second = split_layers(upper | lower)
    assert np.array_equal(first, upper)
    assert np.array_equal(second, lower)
    assert pennation_angle(band(3, angle + 0.3, 100), lower) == pytest.approx(math.degrees(0.3), abs=0.3)


def test_layers_that_are_not_above_one_another_have_no_thickness():
    left, right = EMPTY.copy(), EMPTY.copy()
    left[5:8, :10], right[12:15, 20:] = True, True
    assert layer_thickness(left, right) is None
    assert split_layers(left | right) is None
    assert split_layers(left) is None
    assert pennation_angle(EMPTY, left) is None


@pytest.mark.parametrize("angle", [math.pi / 2, 1.3, 0.6])
def test_a_spheroid_has_its_volume_by_both_methods(angle):
    mask = ellipse(80, 40, angle, (0.4, 0.4))
    exact = math.pi / 6 * 80 * 40 * 40 / 1000
    assert disc_volume(mask, (0.4, 0.4)) == pytest.approx(exact, rel=0.015)
    assert area_length_volume(mask, (0.4, 0.4)) == pytest.approx(exact, rel=0.015)
    assert long_axis(mask, (0.4, 0.4)) == pytest.approx(80, rel=0.01)
    assert ellipsoid_volume(80, 40, 40) == pytest.approx(exact)


def test_ejection_fractions():
    assert ejection_fractions([100, 0], [40, 10])[0] == pytest.approx(0.6)
    assert math.isnan(ejection_fractions([0], [10])[0])
    with pytest.raises(ValueError, match="above 0"):
        ellipsoid_volume(1, 0, 1)


def test_a_needle_and_its_target():
    mask = band(3, 0.5, 120)
    found = find_needle(mask, (0.2, 0.2))
    assert found.angle_deg == pytest.approx(math.degrees(0.5), abs=0.3)
    assert found.length == pytest.approx(24, rel=0.02)
    assert found.tip == pytest.approx((130 + 60 * math.sin(0.5), 160 + 60 * math.cos(0.5)), abs=1.5)
    assert found.tip[0] > found.entry[0]
    target = ellipse(40, 40)
    assert distance_to(target, (130, 200), (0.2, 0.2)) == pytest.approx(4, abs=0.3)
    assert distance_to(target, (130, 160), (0.2, 0.2)) == pytest.approx(-4, abs=0.4)
    assert distance_to(EMPTY, (1, 1)) is None


@pytest.mark.parametrize("measure", [lumen_diameter, find_needle])
def test_an_empty_mask_has_no_measure(measure):
    assert measure(EMPTY) is None
    assert disc_volume(EMPTY, (1, 1)) is None
    assert area_length_volume(EMPTY, (1, 1)) is None
    assert callipers(EMPTY) == (0, 0)
    assert len(trace_outline(EMPTY)) == 0
    assert lesion_extent(EMPTY) == (0, 0)


def test_one_pixel_is_measured_too():
    mask = EMPTY.copy()
    mask[3, 4] = True
    assert callipers(mask) == pytest.approx((1, 2**0.5))
    assert lumen_diameter(mask) == pytest.approx(1.13, abs=0.01)
    assert disc_volume(mask, (1, 1)) > 0
    assert find_needle(mask).length <= 2


def test_the_age_by_hadlock():
    assert gestational_age_weeks(175) == pytest.approx(8.96 + 9.45 + 0.0003 * 17.5**3)
    assert gestational_age_weeks(20) is None
    assert gestational_age_weeks(400) is None


@pytest.mark.parametrize("angle", [0.0, 0.5, -0.9, math.pi / 2])
@pytest.mark.parametrize("spacing", [(0.4, 0.4), (0.3, 0.45)])
def test_the_biparietal_diameter_from_outer_to_inner(angle, spacing):
    """A skull of 3 mm: outer to outer 60 mm, outer to inner 57 mm."""
    outer, inner = ellipse(80, 60, angle, spacing, (300, 320)), ellipse(74, 54, angle, spacing, (300, 320))
    assert outer_to_inner_diameter(outer, inner, spacing) == pytest.approx(57, abs=0.2)
    assert outer_to_inner_diameter(EMPTY, EMPTY) is None


def test_a_skull_that_is_thicker_on_the_far_side():
    outer = ellipse(160, 120)
    inner = np.roll(ellipse(148, 108), -4, 0)  # 2 px near the probe, 10 px away from it
    assert outer_to_inner_diameter(outer, inner) == pytest.approx(120 - 10, abs=0.3)


def test_the_pennation_of_several_fascicles_to_the_deeper_of_two_layers():
    """One ellipse around all of them, or around both layers, would have another angle."""
    layers = band(8, 0.3, offset=-60) | band(8, 0.1, offset=70)
    fascicles = [band(3, 0.1 + turn, 60, offset) for turn, offset in ((0.3, -20), (0.35, 10), (0.4, 40))]
    together = np.logical_or.reduce(fascicles) & ~layers
    assert pennation_angle(together, layers) == pytest.approx(math.degrees(0.35), abs=1.0)
    speck = EMPTY.copy()
    speck[2, 3] = True
    assert pennation_angle(speck, band(8, 0.1, shape=EMPTY.shape)) is None
