"""Test that the pattern of a grabber's repeated frames is named."""

import numpy as np
import pytest

from rtseg.doctor.repeats import repeat_pattern


def repeats(times):
    """Return whether each frame repeats the one before, from the second on."""
    return [bool(turn) for count in times for turn in range(count)][1:]


def sampled(rate, fps, frames):
    """Return the same for a picture of `rate` Hz that is sampled `fps` times a second."""
    shown = np.floor((np.arange(frames) + 0.5) * rate / fps)
    return [bool(same) for same in np.diff(shown) == 0]


@pytest.mark.parametrize(
    ("found", "pattern"),
    [
        (sampled(25, 60, 300), "2:2:3:2:3"),
        (sampled(30, 60, 100), "2"),
        (sampled(24, 60, 200), "2:3"),
        (sampled(50, 60, 200), "1:1:1:1:2"),
        (sampled(60, 60, 100), ""),
        (repeats([2, 3] * 10 + [40] + [2, 3] * 10), "2:3"),
        (repeats([1, 5, 2, 1, 1, 4, 3, 1, 2, 2, 6, 1, 3]), ""),
        ([True] * 50, ""),
        ([], ""),
    ],
)
def test_a_pattern_is_named(found, pattern):
    assert repeat_pattern(found) == pattern
