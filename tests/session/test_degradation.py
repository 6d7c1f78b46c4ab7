"""Test the measures of degradation between two frames of a scene."""

import numpy as np
import pytest
import spoilt

from rtseg.frame import Frame
from rtseg.session.degradation import Degradation, measure_degradation
from rtseg.session.fingerprint import fingerprint
from rtseg.sources.synthetic import open_synthetic

PROBE = open_synthetic("vessel?height=288&width=384&seed=1")
TISSUE = PROBE.image(0)


def _degraded(now, before=TISSUE):
    return measure_degradation(*(fingerprint(Frame(image, 0, 0)) for image in (now, before)))


def test_a_picture_has_lost_nothing_against_itself():
    assert _degraded(TISSUE) == Degradation(1, 1, 0, 0, pytest.approx(0, abs=1e-6), pytest.approx(0, abs=1e-6))


def test_motion_and_new_speckle_are_no_degraded():
    found = [_degraded(PROBE.image(index), PROBE.image(index - 1)) for index in range(1, 8)]
    assert all(abs(np.log(one.level)) < 0.03 and abs(np.log(one.detail)) < 0.06 for one in found)
    assert max(one.darkened for one in found) < 0.005
    assert max(one.dissimilarity for one in found) < 0.03


def test_gain_is_a_ratio_of_levels_and_no_unlikeness():
    found = _degraded(spoilt.dimmed(TISSUE, 0.5))
    assert found.level == pytest.approx(0.5, abs=0.02)
    assert found.dissimilarity < 0.01


def test_blur_loses_detail_and_noise_brings_it():
    assert _degraded(spoilt.blurred(TISSUE, 6)).detail < 0.7 < 1.3 < _degraded(spoilt.noisy(TISSUE, 40)).detail


def test_a_shadow_darkens_its_columns_and_leaves_the_rest_alike():
    found = _degraded(spoilt.shadowed(TISSUE, 0.25, 0.5))
    assert found.darkened == pytest.approx(0.25, abs=0.08)
    assert found.brightened == 0
    assert found.rest_dissimilarity < 0.02 < found.dissimilarity
    assert _degraded(TISSUE, spoilt.shadowed(TISSUE, 0.25, 0.5)).brightened == pytest.approx(0.2, abs=0.06)


@pytest.mark.parametrize("level", [0, 9])
def test_what_shows_nothing_is_like_nothing(level):
    found = _degraded(np.full_like(TISSUE, level))
    assert (found.dissimilarity, found.rest_dissimilarity) == (1, 1)
