"""Tests the maps that are drawn of what a user points at."""

import numpy as np
import pytest

from rtseg.errors import ConfigError
from rtseg.session.prompts import BOX_LEVEL, Prompt, prompt_maps

HALVED = np.array([[0.5, 0, 0], [0, 0.5, 0]])


def test_each_kind_of_prompt_lies_where_it_was_given():
    mask = np.zeros((64, 96), bool)
    mask[8:24, 60:80] = True
    prompt = Prompt(((20, 40),), ((50, 50),), (((4, 4), (30, 4)),), (40, 20, 12, 16), mask)
    belongs, other = prompt_maps(prompt, HALVED, (32, 48))
    assert belongs.shape == (32, 48)
    assert belongs[20, 10] == other[25, 25] == belongs[2, 9] == 1
    assert belongs[12, 22] == BOX_LEVEL
    assert belongs[6, 34] == 1
    assert belongs[30, 40] == other[20, 10] == 0


def test_a_point_outside_the_picture_draws_nothing():
    assert not prompt_maps(Prompt(((1e9, -1e9),)), HALVED, (32, 48)).any()


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ({}, "shows no object"),
        ({"mask": np.zeros((4, 4), bool)}, "shows no object"),
        ({"points": ((float("nan"), 1),)}, "NaN or infinite"),
        ({"box": (0, 0, 0, 5)}, "above 0"),
    ],
)
def test_a_prompt_that_says_nothing_is_refused(prompt, message):
    with pytest.raises(ConfigError, match=message):
        Prompt(**prompt)
