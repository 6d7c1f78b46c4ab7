"""Tests the eight ways to mirror and turn a picture, by display matrix and by EXIF's Orientation."""

import numpy as np
import pytest

from rtseg.sources.pixels.upright import STORED, upright_of_exif, upright_of_matrix

PICTURE = np.arange(12, dtype=np.uint8).reshape(3, 4)
SHOWN = {  # by EXIF's Orientation
    1: PICTURE,
    2: PICTURE[:, ::-1],
    3: PICTURE[::-1, ::-1],
    4: PICTURE[::-1],
    5: PICTURE.T,
    6: np.rot90(PICTURE, -1),
    7: PICTURE[::-1, ::-1].T,
    8: np.rot90(PICTURE),
}
ONE = 1 << 16


@pytest.mark.parametrize("orientation", SHOWN)
def test_exif(orientation):
    assert np.array_equal(upright_of_exif(orientation).apply(PICTURE), SHOWN[orientation])
    color = np.dstack([PICTURE] * 3)
    assert np.array_equal(upright_of_exif(orientation).apply(color)[..., 1], SHOWN[orientation])


@pytest.mark.parametrize("unknown", [0, 9, -1, 65535])
def test_an_unknown_orientation_changes_nothing(unknown):
    assert upright_of_exif(unknown) == STORED


MATRICES = {
    1: (1, 0, 0, 1),
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}


@pytest.mark.parametrize("orientation", MATRICES)
def test_display_matrices(orientation):
    a, b, c, d = (ONE * value for value in MATRICES[orientation])
    assert upright_of_matrix(a, b, c, d) == upright_of_exif(orientation)
    assert upright_of_matrix(a * 2, b * 2, c * 2, d * 2) == upright_of_exif(orientation)  # scaled
    assert upright_of_matrix(a + 3000, b + 3000, c - 3000, d - 3000) == upright_of_exif(orientation)  # turned a little


def test_the_pixel_aspect_turns_with_the_picture():
    assert upright_of_exif(6).aspect(2.0) == 0.5
    assert upright_of_exif(3).aspect(2.0) == 2.0
