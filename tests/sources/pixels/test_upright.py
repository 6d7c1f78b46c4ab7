"""Tests the eight ways to mirror and turn a picture, by display matrix and by EXIF's Orientation."""

import io

import numpy as np
import pytest
from av import CodecContext, Packet
from PIL import Image

from rtseg.sources.pixels.picture import PictureReader
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


@pytest.mark.parametrize("orientation", SHOWN)
def test_a_decoded_jpeg_is_shown_as_its_exif_says(orientation):
    """Test side data of a kind that PyAV does not know, beside the display matrix."""
    exif, coded = Image.Exif(), io.BytesIO()
    exif[274] = orientation
    stored = np.kron(PICTURE * 20, np.ones((16, 16), np.uint8))
    Image.fromarray(stored).save(coded, "JPEG", quality=95, exif=exif)
    (picture,) = CodecContext.create("mjpeg", "r").decode(Packet(coded.getvalue()))
    shown = PictureReader().read(picture)
    expected = upright_of_exif(orientation).apply(stored)
    assert shown.shape == expected.shape
    assert np.abs(shown.astype(int) - expected).max() <= 8
