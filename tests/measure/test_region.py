"""Test measurements of regions against known values."""

import math

import numpy as np
import pytest

from rtseg.frame import Segmentation
from rtseg.measure.region import measure


def _segmentation(labels, classes=("lumen", "wall"), spacing_mm=None):
    return Segmentation(labels, classes, tuple(0.5 + i / 10 for i in range(len(classes))), spacing_mm)


def _random_labels(seed, shape=(37, 53)):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 3, shape, np.uint8) * (rng.random(shape) < 0.1)


def test_rectangle_of_unequal_spacing():
    labels = np.zeros((20, 30), np.uint8)
    labels[4:8, 10:20] = 1
    lumen, wall = measure(_segmentation(labels, spacing_mm=(0.5, 0.1)))
    assert (lumen.name, lumen.area_px, lumen.box, lumen.centroid) == ("lumen", 40, (4, 10, 4, 10), (5.5, 14.5))
    assert lumen.area_mm2 == pytest.approx(40 * 0.5 * 0.1)
    assert lumen.diameter_px == pytest.approx(2 * math.sqrt(40 / math.pi))
    assert lumen.diameter_mm == pytest.approx(2 * math.sqrt(2 / math.pi))
    assert (lumen.confidence, wall.confidence) == (0.5, 0.6)


def test_a_disc_has_its_own_diameter():
    rows, columns = np.ogrid[:101, :101]
    disc = ((rows - 40) ** 2 + (columns - 60) ** 2 <= 30**2).astype(np.uint8)
    (found,) = measure(_segmentation(disc, ("disc",)))
    assert found.centroid == (40, 60)
    assert found.diameter_px == pytest.approx(60, rel=0.01)


def test_an_absent_class_has_no_place():
    labels = np.zeros((8, 8), np.uint8)
    labels[2, 3] = 2
    lumen, wall = measure(_segmentation(labels))
    assert (lumen.area_px, lumen.diameter_px, lumen.centroid, lumen.box) == (0, 0, None, None)
    assert (wall.area_px, wall.centroid, wall.box) == (1, (2, 3), (2, 3, 1, 1))


def test_nothing_at_all():
    for found in measure(_segmentation(np.zeros((5, 7), np.uint8), spacing_mm=(1, 1))):
        assert (found.area_px, found.area_mm2, found.diameter_mm, found.centroid, found.box) == (0, 0, 0, None, None)


def test_unknown_spacing_gives_no_millimetres():
    (found,) = measure(_segmentation(np.ones((3, 3), np.uint8), ("all",)))
    assert (found.area_px, found.area_mm2, found.diameter_mm) == (9, None, None)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("view", [np.s_[:, :], np.s_[::2, 1::3], np.s_[5:6, :], np.s_[:, 7:8]])
def test_agrees_with_numpy(seed, view):
    labels = _random_labels(seed)[view]
    for label, found in enumerate(measure(_segmentation(labels)), start=1):
        rows, columns = np.nonzero(labels == label)
        assert found.area_px == len(rows)
        if len(rows):
            assert found.centroid == pytest.approx((rows.mean(), columns.mean()))
            assert found.box == (rows.min(), columns.min(), np.ptp(rows) + 1, np.ptp(columns) + 1)


def test_a_large_frame_does_not_overflow():
    (found,) = measure(_segmentation(np.ones((2160, 3840), np.uint8), ("all",)))
    assert (found.area_px, found.centroid) == (2160 * 3840, (1079.5, 1919.5))


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0)])
def test_of_no_picture_nothing_is_measured(shape):
    (found,) = measure(_segmentation(np.zeros(shape, np.uint8), ("all",)))
    assert (found.area_px, found.centroid, found.box) == (0, None, None)


def test_labels_of_no_class_are_not_counted():
    (found,) = measure(_segmentation(np.array([[0, 1, 7], [9, 1, 0]], np.uint8), ("all",)))
    assert (found.area_px, found.centroid, found.box) == (2, (0.5, 1.0), (0, 1, 2, 1))
