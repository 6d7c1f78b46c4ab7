"""Test that images coded with run lengths are decoded by pydicom to the same pixels, and are as short as another coder's."""

import numpy as np
import pytest
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import RLELossless

from rtseg.sinks.dicom.run_length import RunLengthCoder

NOISE = np.random.default_rng(5)
IMAGES = {
    "noise": NOISE.integers(0, 256, (9, 300), np.uint8),
    "two levels": NOISE.integers(0, 2, (40, 301), np.uint8),
    "runs of two, which cost most": np.tile(np.array([1, 2, 2], np.uint8), 100)[None],
    "one level": np.full((4, 1000), 7, np.uint8),
    "a run of 129": np.repeat(np.array([[1, 2]], np.uint8), (129, 129), 1),
    "one pixel": np.array([[7]], np.uint8),
    "one column": NOISE.integers(0, 2, (50, 1), np.uint8),
    "odd and in color": NOISE.integers(0, 3, (37, 53, 3), np.uint8),
    "not contiguous": NOISE.integers(0, 9, (53, 37), np.uint8).T,
}


def decoded(coded, image):
    samples = 3 if image.ndim == 3 else 1
    options = {"rows": image.shape[0], "columns": image.shape[1], "samples_per_pixel": samples, "number_of_frames": 1}
    options |= {"bits_allocated": 8, "bits_stored": 8, "pixel_representation": 0, "planar_configuration": 0}
    options["photometric_interpretation"] = "RGB" if samples == 3 else "MONOCHROME2"
    decoder = get_decoder(RLELossless)
    return next(iter(decoder.iter_array(encapsulate([coded], has_bot=False), raw=False, decoding_plugin="pydicom", **options)))[
        0
    ]


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_is_decoded_to_the_same_pixels(name):
    image, coder = IMAGES[name], RunLengthCoder(IMAGES[name].shape)
    for picture in (image, 255 - image, image):
        coded = coder.code(picture)
        assert len(coded) % 2 == 0
        np.testing.assert_array_equal(decoded(coded, picture), picture)


def test_labels_become_short():
    labels = np.zeros((720, 1280), np.uint8)
    labels[200:400, 300:900] = 1
    assert len(RunLengthCoder(labels.shape).code(labels)) < labels.size / 50
