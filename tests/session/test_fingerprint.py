"""Test the thumbnails of a frame, and the comparison of two."""

import cv2
import numpy as np
import pytest

from rtseg.frame import Frame
from rtseg.session.fingerprint import COARSE, changed_levels, dissimilarity, fingerprint, is_air, lateral_contrast, thumbnail

SPECKLE = np.random.default_rng(0).integers(0, 256, (120, 200, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [(30, 50), (7, 9), (120, 200), (200, 300)])
@pytest.mark.parametrize("colours", [1, 3])
def test_a_cell_is_the_mean_of_sixteen_pixels_of_it(size, colours):
    image = SPECKLE if colours == 3 else np.ascontiguousarray(SPECKLE[..., 0])
    top, left, height, width = box = (10, 20, 100, 160)
    picked = cv2.resize(
        image[top : top + height, left : left + width], (4 * size[1], 4 * size[0]), interpolation=cv2.INTER_NEAREST
    )
    grey = picked if colours == 1 else picked @ np.array([0.299, 0.587, 0.114])
    expected = grey.reshape(size[0], 4, size[1], 4).mean((1, 3))
    assert np.abs(thumbnail(image, box, size) - expected).max() <= 0.51


def test_a_strided_picture_has_the_thumbnail_of_its_copy():
    mirrored = SPECKLE[:, ::-1]
    box = (0, 0, *mirrored.shape[:2])
    np.testing.assert_array_equal(thumbnail(mirrored, box, (9, 11)), thumbnail(mirrored.copy(), box, (9, 11)))


def test_the_change_is_that_of_the_few_cells_that_changed_most():
    one = np.zeros((10, 10), np.uint8)
    other = one.copy()
    other.ravel()[:4] = [200, 90, 30, 30]
    assert [changed_levels(one, other, few) for few in (1, 2, 3, 4, 5, 100)] == [200, 90, 30, 30, 0, 0]
    assert changed_levels(other, one, 1) == 200


@pytest.mark.parametrize("shape", [(1, 1), (7, 300), (2, 3, 3), (144, 192, 3)])
def test_any_picture_can_be_glanced_at(shape):
    seen = fingerprint(Frame(np.full(shape, 7, np.uint8), 3, 5))
    assert seen.coarse.shape == COARSE
    assert (seen.fine == 7).all()
    assert (seen.shape, seen.index, seen.captured_ns) == (shape[:2], 3, 5)


def test_unlikeness_and_standing_out_by_hand():
    ramp = np.tile(np.arange(32, dtype=np.uint8), (24, 1))
    assert dissimilarity(ramp, ramp) == pytest.approx(0, abs=1e-6)
    assert dissimilarity(ramp, 2 * ramp + 9) == pytest.approx(0, abs=1e-6)
    assert dissimilarity(ramp, ramp[:, ::-1]) == pytest.approx(2, abs=1e-6)
    assert dissimilarity(ramp, np.zeros_like(ramp)) == 0
    spots = np.full((24, 32), 20, np.uint8)
    spots[10, [4, 12, 20]] = 90
    assert lateral_contrast(spots) == 0  # three cells may be a logo
    spots[15, 9] = 50
    assert lateral_contrast(spots) == 30
    spots[:7] = 200  # reverberations of the probe
    assert is_air(spots, 31)
    assert not is_air(spots, 30)
    spots[20] = 100
    assert not is_air(spots, 31)
