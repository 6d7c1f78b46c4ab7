"""Grey levels: black at 0 and white at 255, to the level."""

import numpy as np
import pytest

from rtseg.sources.pixels.picture import full_from_limited

LEVELS = np.arange(256, dtype=np.uint8)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (64, 37)])
@pytest.mark.parametrize("apart", [1, 2])
def test_limited_range_is_stretched_to_the_nearest_level(shape, apart):
    """In whatever lies between: at the end of rows of any length, and with something else between the pixels."""
    wanted = np.clip(np.round((LEVELS.astype(float) - 16) * 255 / 219), 0, 255)
    for level in LEVELS:
        luma = np.full((shape[0], shape[1] * apart), 99, np.uint8)
        luma[:, ::apart] = level
        assert (full_from_limited(luma[:, ::apart]) == wanted[level]).all()
