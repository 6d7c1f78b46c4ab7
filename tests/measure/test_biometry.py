"""Test what is measured on a frame, its range, and the reasons for which it is withheld."""

import math
from dataclasses import replace

import numpy as np
import pytest

from rtseg.errors import ConfigError
from rtseg.frame import Life, Segmentation
from rtseg.measure.biometry import Biometry, request_measures
from rtseg.measure.head import head_biometry
from rtseg.probability_planes import ProbabilityPlanes

NOWHERE = np.zeros(0, np.intp)
ROWS, COLUMNS = np.mgrid[:200, :240]


def disc(radius, row=100, column=120):
    return (ROWS - row) ** 2 + (COLUMNS - column) ** 2 <= radius**2


def found(*masks, classes=("head",), **changes):
    labels = np.zeros((200, 240), np.uint8)
    for label, mask in enumerate(masks, start=1):
        labels[mask] = label
    confidence = tuple(0.9 * bool(mask.any()) for mask in masks)
    return replace(Segmentation(labels, classes, confidence, (0.5, 0.5)), **changes)


def values(segmentation, *names, edge=NOWHERE, planes=None, spacing_from="user"):
    measured = Biometry(request_measures(names, segmentation.classes)).measure(segmentation, edge, planes, spacing_from)
    return {one.name: one for one in measured}


def test_a_live_head_circumference_is_that_of_the_evaluation():
    head = found(disc(60), outline_px=1.5)
    one = values(head, "hc", "bpd")["hc"]
    assert one.value == head_biometry(disc(60), (0.5, 0.5), 1.5).hc
    assert (one.unit, one.title, one.spacing_from, one.withheld) == ("mm", "head circumference", "user", "")


def test_the_range_is_that_of_the_probabilities():
    distance = np.hypot(ROWS[::2, ::2] - 100, COLUMNS[::2, ::2] - 120)
    planes = ProbabilityPlanes((1 / (1 + np.exp((distance - 60) / 2)))[None].astype(np.float32), (0, 0, 200, 240))
    one = values(found(disc(60)), "diameter", planes=planes)["diameter"]
    reach = 2 * np.log(19) * 0.5 * 2  # from p = 0.5 to 0.95, on both sides, in mm
    assert one.value == pytest.approx(60, rel=0.01)
    assert one.low == pytest.approx(60 - reach, abs=0.8)
    assert one.high == pytest.approx(60 + reach, abs=0.8)
    unsure = ProbabilityPlanes(planes.values * 0.9, planes.box)
    assert values(found(disc(60)), "diameter", planes=unsure)["diameter"].low is None
    assert values(found(disc(60)), "diameter")["diameter"].high is None


def test_what_is_far_away_does_not_widen_the_range():
    plane = np.where(disc(60) | disc(8, 20, 20), 0.97, 0.0)[None].astype(np.float32)
    one = values(found(disc(60)), "area", planes=ProbabilityPlanes(plane, (0, 0, 200, 240)))["area"]
    assert one.low == one.value == one.high


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"life": Life.LOST}, "the probe has no contact"),
        ({"life": Life.SPOILT, "reason": "noise"}, "the picture is spoilt: noise"),
        ({"familiarity": 0.2}, "the picture is unfamiliar to the model"),
        ({"doubt": "its answer is everywhere"}, "its answer is everywhere"),
        ({"spacing_mm": None}, "the pixel size is unknown: give --spacing MM, or use a source that carries it"),
        ({"confidence": (0.0,)}, "no head is in the picture"),
    ],
)
def test_what_may_not_be_trusted_is_withheld_with_a_reason(changes, reason):
    one = values(found(disc(60), **changes), "hc")["hc"]
    assert (one.value, one.low, one.high, one.withheld) == (None, None, None, reason)


def test_a_mask_at_the_edge_is_withheld_unless_the_structure_goes_on():
    lumen = found((np.abs(ROWS - 100) < 15), classes=("lumen",))
    edge = np.ravel_multi_index((np.arange(200), np.zeros(200, int)), (200, 240))
    measured = values(lumen, "area", "vessel_diameter", edge=edge)
    assert measured["area"].withheld == "the lumen reaches the edge of the sector"
    assert measured["vessel_diameter"].value == pytest.approx(14.5, rel=0.02)


def test_a_ratio_needs_no_pixel_size_but_its_shape():
    lesion = found((np.abs(ROWS - 100) < 20) & (np.abs(COLUMNS - 100) < 10), classes=("lesion",), spacing_mm=None)
    one = values(replace(lesion, pixel_aspect=2.0), "taller_than_wide")["taller_than_wide"]
    assert one.value == pytest.approx(39 / (19 * 2))
    assert one.spacing_from == ""


def test_a_general_measure_is_taken_of_each_class():
    two = found(disc(20, 60, 60), disc(30), classes=("vessel", "nerve"))
    assert list(values(two, "area", "vessel_diameter")) == ["area:vessel", "area:nerve", "vessel_diameter"]
    assert list(values(two, "area=nerve", "hc=nerve")) == ["area:nerve", "hc:nerve"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("waist", "is no measure: give one of area"),
        ("hc", "hc needs the class head, and the model has lumen: name the class that it is, as in hc=lumen"),
        ("hc=skull", "the model has no class 'skull', but lumen"),
        ("tip_distance=lumen", "needs 2 classes, not 1"),
        ("organ_volume=lumen", "needs 1 length above 0 that this plane does not show: .* organ_volume=bladder,62mm"),
        ("organ_volume=lumen,0mm", "needs 1 length above 0"),
        ("organ_volume=lumen,5mm,6mm", "needs 1 length above 0"),
        ("area=lumen,5mm", "area takes no length: leave out 5mm"),
    ],
)
def test_a_measure_that_no_class_allows_is_refused(name, reason):
    with pytest.raises(ConfigError, match=reason):
        request_measures([name], ("lumen",))


def test_one_pixel_and_a_frame_that_is_all_mask():
    assert values(found(disc(0)), "hc", "area", "perimeter")["area"].value == pytest.approx(0.25)
    assert values(found(disc(500)), "hc", "min_calliper")["min_calliper"].value == pytest.approx(100, rel=0.02)


def test_a_volume_takes_the_length_that_the_plane_does_not_show():
    bladder = found(disc(60), classes=("bladder",))
    one = values(bladder, "organ_volume=bladder, 62.5 mm")["organ_volume"]
    assert one.value == pytest.approx(math.pi / 6 * 60 * 60 * 62.5 / 1000, rel=0.01)
    assert one.unit == "ml"
    assert values(bladder, "organ_volume=40mm")["organ_volume"].classes == ("bladder",)


@pytest.mark.parametrize("spacing", [(math.nan, math.nan), (0.0, 0.5), (math.inf, 1.0), (-1.0, 1.0)])
def test_a_pixel_size_that_is_no_number_is_refused(spacing):
    one = values(found(disc(60), spacing_mm=spacing), "hc")["hc"]
    assert (one.value, one.withheld) == (None, "the pixel size is no number above 0: give --spacing MM")


def test_of_several_regions_the_largest_is_measured_where_the_definition_says_so():
    one = values(found(disc(40) | disc(6, 20, 20)), "area", "perimeter", "major_axis")
    assert one["major_axis"].value == pytest.approx(40, rel=0.01)
    assert one["perimeter"].value == pytest.approx(40 * math.pi, rel=0.01)
    assert one["area"].value == pytest.approx(np.count_nonzero(disc(40) | disc(6, 20, 20)) * 0.25)
