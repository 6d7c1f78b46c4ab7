"""Thumbnails: of any picture, and what they tell of two."""

import numpy as np
import pytest

from rtseg.frame import Frame
from rtseg.glance import COARSE, glance, is_air, standing_out, unlikeness


@pytest.mark.parametrize("shape", [(1, 1), (7, 300), (2, 3, 3), (144, 192, 3)])
def test_any_picture_can_be_glanced_at(shape):
    seen = glance(Frame(np.full(shape, 7, np.uint8), 3, 5))
    assert seen.coarse.shape == COARSE
    assert (seen.fine == 7).all()
    assert (seen.shape, seen.index, seen.captured_ns) == (shape[:2], 3, 5)


def test_unlikeness_and_standing_out_by_hand():
    ramp = np.tile(np.arange(32, dtype=np.uint8), (24, 1))
    assert unlikeness(ramp, ramp) == pytest.approx(0, abs=1e-6)
    assert unlikeness(ramp, 2 * ramp + 9) == pytest.approx(0, abs=1e-6)
    assert unlikeness(ramp, ramp[:, ::-1]) == pytest.approx(2, abs=1e-6)
    assert unlikeness(ramp, np.zeros_like(ramp)) == 0
    spots = np.full((24, 32), 20, np.uint8)
    spots[10, [4, 12, 20]] = 90
    assert standing_out(spots) == 0  # three may be a logo
    spots[15, 9] = 50
    assert standing_out(spots) == 30
    spots[:7] = 200  # the probe's own echoes
    assert is_air(spots, 31)
    assert not is_air(spots, 30)
    spots[20] = 100
    assert not is_air(spots, 31)
