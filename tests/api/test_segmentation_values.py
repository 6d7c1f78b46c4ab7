"""Test the plain values and the contours of a segmentation."""

import json
import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
import results

from rtseg.contour import trace_contours
from rtseg.cycle_state import CycleState
from rtseg.frame import Life, Segmentation, TrackedObject
from rtseg.measured_value import MeasuredValue


def area(ring):
    """Return the signed area of a polygon (row, column) by the shoelace formula: positive where it goes clockwise on screen."""
    y, x = ring.T.astype(float)
    return float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2)


def test_one_pixel_is_a_square_around_its_middle():
    mask = np.zeros((5, 6), bool)
    mask[2, 3] = True
    (ring,) = trace_contours(mask)
    assert {tuple(corner) for corner in ring.tolist()} == {(1.5, 2.5), (1.5, 3.5), (2.5, 3.5), (2.5, 2.5)}
    assert area(ring) == 1


def test_a_rectangle_has_four_corners_and_a_hole_goes_the_other_way():
    mask = np.ones((8, 9), bool)  # up to the border of the frame
    mask[2:4, 3:7] = False
    outside, hole = sorted(trace_contours(mask), key=area, reverse=True)
    assert (len(outside), len(hole)) == (4, 4)
    assert (area(outside), area(hole)) == (72, -8)
    assert (outside.min(), outside[:, 0].max(), outside[:, 1].max()) == (-0.5, 7.5, 8.5)


def test_pixels_that_touch_at_a_corner_are_one_region():
    assert len(trace_contours(np.eye(4, dtype=bool))) == 1
    assert len(trace_contours(~np.eye(2, dtype=bool))) == 1


@pytest.mark.parametrize("seed", range(20))
def test_the_polygons_of_any_mask_enclose_its_pixels(seed: int):
    generator = np.random.default_rng(seed)
    mask = generator.random((24, 31)) < (0.2, 0.5, 0.8)[seed % 3]
    rings = trace_contours(mask)
    assert sum(map(area, rings)) == mask.sum()
    regions = cv2.connectedComponents(mask.astype(np.uint8))[0] - 1
    assert sum(area(ring) > 0 for ring in rings) == regions


def test_nothing_has_no_polygon():
    assert trace_contours(np.zeros((4, 4), bool)) == ()


def test_the_contours_of_a_segmentation_are_those_of_its_classes():
    labels = np.zeros((40, 50), np.uint8)
    labels[10:20, 5:25] = 2
    found = Segmentation(labels, ("vessel", "nerve"), (0.0, 0.9)).contours()
    assert found["vessel"] == ()
    (ring,) = found["nerve"]
    assert ring.dtype == np.float32
    assert area(ring) == 200


def test_plain_values_are_strict_json():
    measure = MeasuredValue("area", "area", "mm2", ("lumen",), 3.0)
    told = replace(
        results.result(spacing_mm=(0.1, 0.2), familiarity=0.8, confidence=(math.nan,)).segmentation, measures=(measure,)
    ).to_dict()
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["life"] == "LIVE"
    assert told["spacing_mm"] == [0.1, 0.2]
    lumen = told["classes"]["lumen"]
    assert lumen["confidence"] is None
    assert lumen["area_mm2"] == pytest.approx(lumen["area_px"] * 0.02)
    assert told["measures"]["area"]["value"] == 3.0
    assert "objects" not in told


def test_what_is_unknown_is_none():
    told = results.result(life=Life.HELD, reason="frozen").segmentation.to_dict()
    assert (told["spacing_mm"], told["familiarity"], told["spacing_from"]) == (None, None, None)
    assert (told["life"], told["reason"]) == ("HELD", "frozen")
    assert told["classes"]["lumen"]["area_mm2"] is None


def test_the_areas_of_an_unfamiliar_picture_are_withheld():
    told = results.result(familiarity=0.1, spacing_mm=(1, 1)).segmentation.to_dict()
    assert told["unfamiliar"]
    assert (told["classes"]["lumen"]["area_px"], told["classes"]["lumen"]["area_mm2"]) == (None, None)


def test_an_object_that_is_lost_has_no_area():
    found = {"tumor": TrackedObject(True, 0.1), "other": TrackedObject(False, 0.9, 4, (1.0, 2.0), (0, 0, 2, 2))}
    labels = np.zeros((8, 8), np.uint8)
    labels[:2, :2] = 2
    told = Segmentation(labels, ("tumor", "other"), (0.1, 0.9), objects=found).to_dict()
    assert told["classes"]["tumor"]["area_px"] is None
    assert told["classes"]["other"]["area_px"] == 4
    assert told["objects"]["tumor"]["lost"]
    json.dumps(told, allow_nan=False)


def test_the_heart_beat_is_among_the_values():
    cycle = CycleState("area", heart_rate=72.0)
    told = replace(results.result().segmentation, cycle=cycle).to_dict()
    assert told["cycle"] == cycle.to_json()
    assert "cycle" not in results.result().segmentation.to_dict()
