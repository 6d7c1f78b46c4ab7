"""Tests the gray levels: black is 0 and white 255, exactly."""

import numpy as np
import pytest

from rtseg.sources.pixels.picture import expand_limited_range

LEVELS = np.arange(256, dtype=np.uint8)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (64, 37)])
@pytest.mark.parametrize("apart", [1, 2])
def test_limited_range_is_stretched_to_the_nearest_level(shape, apart):
    """It covers rows of any length, and pixels that are not adjacent."""
    wanted = np.clip(np.round((LEVELS.astype(float) - 16) * 255 / 219), 0, 255)
    for level in LEVELS:
        luma = np.full((shape[0], shape[1] * apart), 99, np.uint8)
        luma[:, ::apart] = level
        assert (expand_limited_range(luma[:, ::apart]) == wanted[level]).all()
