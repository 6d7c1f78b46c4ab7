"""Test that a single class keeps its largest region, and that ellipses are fitted."""

import cv2
import networks
import numpy as np
import pytest

from rtseg.errors import ModelError, UnknownClass
from rtseg.session.postprocess import apply_anatomy, fit_ellipses, keep_largest_regions

CLASSES = ("lumen", "wall")


def _drawn(text):
    return np.array([[int(character) for character in row] for row in text.split()], np.uint8)


def test_the_largest_region_stays_and_other_classes_are_left_alone():
    labels = _drawn("1100020 1100000 0000010 2000011")
    kept = keep_largest_regions(labels, CLASSES, ["lumen"])
    assert kept is labels
    np.testing.assert_array_equal(kept, _drawn("1100020 1100000 0000000 2000000"))


def test_corners_touch():
    labels = _drawn("10000 01100 00010 00000 10000")
    np.testing.assert_array_equal(keep_largest_regions(labels, CLASSES, ["lumen"]), _drawn("10000 01100 00010 00000 00000"))


def test_a_region_inside_the_hole_of_another_goes():
    labels = _drawn("1111111 1000001 1001001 1000001 1111111")
    np.testing.assert_array_equal(keep_largest_regions(labels, CLASSES, ["lumen"])[2], _drawn("1000001")[0])


def test_a_hole_stays_a_hole():
    labels = _drawn("111 121 111")
    np.testing.assert_array_equal(keep_largest_regions(labels.copy(), CLASSES, CLASSES), labels)


def test_of_equal_regions_the_first_stays():
    np.testing.assert_array_equal(keep_largest_regions(_drawn("1010 0000 0101"), CLASSES, ["lumen"]), _drawn("1000 0000 0000"))


@pytest.mark.parametrize("labels", [np.zeros((4, 5), np.uint8), np.full((4, 5), 1, np.uint8), np.ones((1, 1), np.uint8)])
def test_nothing_to_do(labels):
    np.testing.assert_array_equal(keep_largest_regions(labels.copy(), CLASSES, CLASSES), labels)


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_a_flood_fill(seed):
    labels = (np.random.default_rng(seed).random((24, 31)) < 0.3).astype(np.uint8)
    regions = _flooded(labels)
    largest = max(len(region) for region in regions)
    kept = {
        (int(row), int(column))
        for row, column in zip(*np.nonzero(keep_largest_regions(labels, CLASSES, ["lumen"])), strict=True)
    }
    assert kept in [region for region in regions if len(region) == largest]


def test_an_unknown_class_is_named():
    with pytest.raises(UnknownClass, match=r"no class 'nerve' to shape: the model has lumen, wall"):
        keep_largest_regions(np.zeros((2, 2), np.uint8), CLASSES, ["nerve"])


def test_an_ellipse_takes_no_other_classs_place():
    labels = np.zeros((40, 60), np.uint8)
    cv2.ellipse(labels, (30, 20), (20, 12), 0, 0, 360, 1, -1)
    labels[:, 28:32] = 2
    drawn = fit_ellipses(labels.copy(), CLASSES, ["lumen"])
    np.testing.assert_array_equal(drawn == 2, labels == 2)
    assert np.count_nonzero(drawn == 1) > 0.9 * np.count_nonzero(labels == 1)


def test_first_one_region_then_its_ellipse():
    labels = np.zeros((40, 60), np.uint8)
    labels[5:25, 5:25] = 1
    labels[35:38, 50:55] = 1
    found = apply_anatomy(labels, networks.spec(single=("lumen",), ellipse=("lumen",)))
    assert not found[30:].any()
    assert not found[5, 5]  # a corner lies outside the ellipse
    assert found[15, 15] == 1


def test_no_spec_wants_an_ellipse_of_a_class_it_has_not():
    with pytest.raises(ModelError, match="not all among its classes"):
        networks.spec(ellipse=("head",))


def _flooded(labels):
    """Return the 8-connected regions as sets of positions, by a plain flood fill."""
    left = {(int(row), int(column)) for row, column in zip(*np.nonzero(labels), strict=True)}
    regions = []
    while left:
        region, edge = set(), [left.pop()]
        while edge:
            row, column = edge.pop()
            region.add((row, column))
            near = {(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & left
            left -= near
            edge.extend(near)
        regions.append(region)
    return regions
