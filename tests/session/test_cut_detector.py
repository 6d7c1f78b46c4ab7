"""Test that a cut is told from what changes within a scene."""

import numpy as np
import pytest
import screens

from rtseg.session.cut_detector import CutDetector

SIZE = (240, 320)


def still(seed):
    """Return a still of another anatomy for each seed: large structures under speckle."""
    rng = np.random.default_rng(seed)
    shades = np.kron(rng.uniform(0.1, 1.2, (4, 5)), np.ones((60, 64)))
    return np.clip(screens.speckle(SIZE, seed) * shades, 0, 255).astype(np.uint8)


def cuts(pictures):
    detector = CutDetector()
    return [detector.observe(picture) for picture in pictures]


@pytest.mark.parametrize("channels", [1, 3])
def test_each_still_of_a_slide_show_is_a_cut_but_the_first(channels):
    pictures = [still(seed) for seed in (1, 1, 2, 3)]
    if channels == 3:
        pictures = [np.dstack([picture] * 3) for picture in pictures]
    assert cuts(pictures) == [False, False, True, True]


def test_speckle_and_a_menu_that_opens_are_no_cut():
    living = [screens.speckle(SIZE, seed) for seed in range(6)]
    menu = screens.speckle(SIZE, 6)
    menu[20:60, 20:120] = 200
    assert not any(cuts([*living, menu]))


def test_a_detector_that_forgot_takes_the_next_picture_for_the_first():
    detector = CutDetector()
    detector.observe(still(1))
    detector.forget()
    assert not detector.observe(still(2))
