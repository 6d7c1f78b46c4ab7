"""Test the table of quantities: each one is computed on a shape that allows it, and named once."""

import math

import numpy as np
import pytest

from rtseg.errors import ConfigError
from rtseg.measure.measured_region import MeasuredRegion
from rtseg.measure.quantities import QUANTITIES, find_quantity

SPACING = (0.1, 0.1)
LENGTHS_MM = (20.0,)


def disc(row, column, radius, shape=(200, 240)):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return (rows - row) ** 2 + (columns - column) ** 2 <= radius**2


def stripe(row, shape=(200, 240)):
    mask = np.zeros(shape, bool)
    mask[row : row + 6, 20:220] = True
    return mask


SHAPES = {
    "muscle_thickness": (stripe(40) | stripe(120),),
    "layer_thickness": (stripe(40), stripe(120)),
    "pennation": (stripe(80), stripe(120)),
    "tip_distance": (stripe(80), disc(150, 120, 20)),
    "needle_angle": (stripe(80),),
    "ga": (disc(100, 120, 90),),
    "bpd_oi": (disc(100, 120, 60), disc(100, 120, 57)),
}


def regions(name, spacing=SPACING):
    return [MeasuredRegion(mask, spacing) for mask in SHAPES.get(name, (disc(100, 120, 60),))]


@pytest.mark.parametrize("name", QUANTITIES)
def test_each_quantity_has_a_value_on_a_shape_that_allows_it(name):
    quantity = QUANTITIES[name]
    spacing = (0.5, 0.5) if name == "ga" else SPACING
    value = quantity.value(*regions(name, spacing), lengths_mm=LENGTHS_MM[: quantity.lengths])
    assert math.isfinite(value)
    assert quantity.definition
    assert quantity.unit in ("mm", "mm2", "ml", "deg", "weeks", "")
    assert len(regions(name)) == len(quantity.needs)


@pytest.mark.parametrize("name", QUANTITIES)
def test_an_empty_mask_gives_no_value(name):
    empty = [MeasuredRegion(np.zeros_like(region.mask), SPACING) for region in regions(name)]
    assert QUANTITIES[name].value(*empty) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("area", math.pi * 36), ("perimeter", math.pi * 12), ("diameter", 12), ("hc", math.pi * 12), ("bpd", 12)],
        *[("vessel_diameter", 12), ("lesion_width", 12.1), ("taller_than_wide", 1), ("major_axis", 12), ("max_calliper", 12)],
        *[("muscle_thickness", 7.4), ("tip_distance", 10.06), ("pennation", 0), ("lv_volume", math.pi / 6 * 1.728)],
        *[("bpd_oi", 11.7), ("organ_volume", math.pi / 6 * 12 * 12 * 20 / 1000)],
    ],
)
def test_the_values_are_those_of_the_shape(name, value):
    quantity = QUANTITIES[name]
    assert quantity.value(*regions(name), lengths_mm=LENGTHS_MM[: quantity.lengths]) == pytest.approx(value, rel=0.01, abs=1e-6)


def test_a_quantity_is_found_by_name_or_title_and_the_others_are_named():
    assert find_quantity("HC") is find_quantity("head circumference") is QUANTITIES["hc"]
    with pytest.raises(ConfigError, match=r"'waist' is no measure: give one of area, perimeter"):
        find_quantity("waist")


def test_classes_are_matched_by_name():
    assert QUANTITIES["hc"].classes_in(("head",)) == ("head",)
    assert QUANTITIES["hc"].classes_in(("lumen",)) is None
    assert QUANTITIES["tip_distance"].classes_in(("nerve", "needle")) == ("needle", "nerve")
    assert QUANTITIES["area"].is_general
