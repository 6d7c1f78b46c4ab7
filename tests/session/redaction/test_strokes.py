"""Test what is black around letters on flat ground."""

import cv2
import numpy as np
import pytest
import screens

from rtseg.session.redaction.strokes import find_strokes, summarize, widen_over_ground

SIZE = (240, 320)


def boxes(*places):
    """Return a mask (H, W) that is 255 in boxes of top, left, height, width."""
    mask = np.zeros(SIZE, np.uint8)
    for top, left, height, width in places:
        mask[top : top + height, left : left + width] = 255
    return mask


@pytest.mark.parametrize("ground", [0, 60, 230])
def test_the_ground_around_and_between_the_boxes_of_letters_is_black_by_a_letters_height(ground):
    letters = boxes((100, 40, 14, 60), (104, 112, 12, 30), (101, 152, 14, 20))  # with gaps and steps
    wide = widen_over_ground(letters, summarize([np.full(SIZE, ground, np.uint8)]))
    assert wide[92:122, 30:180].all()
    assert not wide[:60].any()
    assert not wide[160:].any()


def test_strips_of_ground_that_would_be_left_beside_a_line_are_black():
    picture = np.full(SIZE, 90, np.uint8)
    picture[70] = 200  # the border of a panel
    wide = widen_over_ground(boxes((90, 40, 14, 60)), summarize([picture]))
    assert wide[72:90, 40:100].all()


@pytest.mark.parametrize("gain", [1, 0.15])
def test_no_tissue_is_black_around_letters(gain):
    picture, letters = (screens.speckle(SIZE, 1) * gain).astype(np.uint8), boxes((100, 40, 14, 60))
    assert np.count_nonzero(cv2.subtract(widen_over_ground(letters, summarize([picture])), letters)) < 0.002 * letters.size


def test_a_bright_interface_is_no_white_stroke_and_a_letter_is():
    picture = np.full(SIZE, 90, np.uint8)
    picture[60:63, 20:300] = 250
    cv2.putText(picture, "A", (150, 160), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 255, 2)
    found = find_strokes(summarize([picture]), thorough=True)
    assert not found[50:75].any()
    assert found[145:162, 148:165].any()
