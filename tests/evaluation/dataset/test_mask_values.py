"""Tests that masks in any file format are read correctly or refused."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from rtseg.errors import DatasetError
from rtseg.evaluation.dataset import open_dataset
from rtseg.evaluation.dataset.mask_values import to_labels

DRAWN = np.repeat(np.arange(3, dtype=np.uint8), 4)[:, None].repeat(8, 1)  # (12, 8): three labels
BLACK = np.zeros((12, 8), np.uint8)


@pytest.fixture
def case(tmp_path):
    """Return a function that writes a mask and an image, given as arrays or bytes, and returns their case."""

    def make(mask=DRAWN, image=BLACK, suffix=".png"):
        for kind, what, ending in (("images", image, ".png"), ("masks", mask, suffix)):
            (tmp_path / kind).mkdir()
            coded = what if isinstance(what, bytes) else cv2.imencode(ending, what)[1].tobytes()
            (tmp_path / kind / f"a{ending}").write_bytes(coded)
        return open_dataset(tmp_path)[0]

    return make


def palette_png(indices, colours, alpha=b""):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width = indices.shape
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)) + chunk(b"PLTE", bytes(colours))
    lines = b"".join(b"\0" + line.tobytes() for line in indices)
    clear = chunk(b"tRNS", alpha) if alpha else b""
    return b"\x89PNG\r\n\x1a\n" + head + clear + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_labels_are_the_numbers_of_any_depth(case, kind):
    assert np.array_equal(case(DRAWN.astype(kind)).labels(2), DRAWN)


def test_white_of_16_bits_is_one_class(case):
    assert np.array_equal(case((DRAWN > 0) * np.uint16(65535)).labels(1), DRAWN > 0)


def test_a_number_above_255_is_not_cut_down_to_a_label(case):
    with pytest.raises(DatasetError, match=r"a\.png holds the value 258, and there are 2 classes"):
        case(DRAWN.astype(np.uint16) * 129).labels(2)


def test_a_negative_number_is_no_label(case):
    with pytest.raises(DatasetError, match=r"a\.tiff holds values that are no labels: save it as whole numbers"):
        case(-DRAWN.astype(np.int16), suffix=".tiff").labels(2)


def test_colours_are_read_where_they_are_grey(case):
    assert np.array_equal(case(cv2.merge([DRAWN] * 3)).labels(2), DRAWN)


def test_colours_are_refused_where_they_are_not(case):
    red_and_yellow = cv2.merge([0 * DRAWN, (DRAWN == 2) * np.uint8(255), (DRAWN > 0) * np.uint8(255)])
    with pytest.raises(DatasetError, match=r"a\.png is drawn in colours: save the mask as one channel whose values are"):
        case(red_and_yellow).labels(2)


def test_a_coloured_palette_is_read_by_its_indices(case):
    assert np.array_equal(case(palette_png(DRAWN, (0, 0, 0, 255, 0, 0, 255, 255, 0))).labels(2), DRAWN)


def test_a_grey_palette_is_read_by_its_greys(case):  # PNG optimizers reorder palettes
    assert np.array_equal(case(palette_png(1 - DRAWN // 2, (255, 255, 255, 0, 0, 0))).labels(1), DRAWN // 2)


def test_what_is_opaque_everywhere_counts(case):
    opaque = np.full_like(DRAWN, 255)
    assert np.array_equal(case(cv2.merge([DRAWN] * 3 + [opaque])).labels(2), DRAWN)


def test_what_is_transparent_is_refused(case):
    with pytest.raises(DatasetError, match=r"a\.png is transparent in places: save the mask as one channel"):
        case(cv2.merge([DRAWN] * 3 + [DRAWN * 100])).labels(2)


def test_a_palette_that_is_transparent_is_refused(case):
    with pytest.raises(DatasetError, match=r"a\.png is transparent in places: save the mask as one channel"):
        case(palette_png(DRAWN, (0, 0, 0, 255, 0, 0, 255, 255, 0), alpha=b"\0\xff\xff")).labels(2)


def test_white_is_not_taken_for_the_first_of_several_classes(case):
    with pytest.raises(DatasetError, match=r"a\.png holds 0 and 255 with 3 classes: save the labels 0\.\.3"):
        case((DRAWN > 0) * np.uint8(255)).labels(3)


def test_nothing_drawn_is_background_of_any_number_of_classes(case):
    assert not case(0 * DRAWN).labels(3).any()


def test_a_jpeg_that_spoilt_its_labels_is_refused(case):
    spoilt = np.random.default_rng(0).integers(0, 6, (12, 8)).astype(np.uint8) * 40
    with pytest.raises(DatasetError, match=r"a\.jpg is a JPEG, which spoils the labels of a mask: save it as PNG"):
        case(spoilt, suffix=".jpg").labels(240)


def test_an_image_of_16_bits_keeps_the_upper_8(case):
    image = np.full((12, 8), 40000, np.uint16)
    assert (case(image=image).image() == 40000 >> 8).all()


def test_an_image_of_12_bits_in_16_is_not_read_as_black(case):
    with pytest.raises(DatasetError, match=r"a\.png has uint16 pixels up to 4095, not 65535: convert it to 8 bits"):
        case(image=np.full((12, 8), 4095, np.uint16)).image()


def test_a_mask_with_smoothed_edges_says_so():
    smooth = cv2.circle(np.zeros((64, 64), np.uint8), (32, 32), 20, 255, -1, cv2.LINE_AA)
    for n_classes in (1, 2):
        with pytest.raises(DatasetError, match=r"a\.png holds \d+ values up to 255.*antialiased.*nearest neighbor"):
            to_labels(smooth, n_classes, Path("a.png"))
