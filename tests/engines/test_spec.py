"""ModelSpec: what travels in a model file, and what is refused."""

import networks
import pytest

from rtseg.engines.base import ModelSpec
from rtseg.errors import ModelError


def test_there_and_back():
    assert ModelSpec.from_json(networks.spec(single=("lumen",)).to_json()) == networks.spec(single=("lumen",))


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", '{"size": 3}', '{"states": [{"x": 1}]}', "\x00", '{"states": 7}'])
def test_broken_metadata(text: str):
    with pytest.raises(ModelError, match="export it again"):
        ModelSpec.from_json(text)


@pytest.mark.parametrize(
    "changes",
    [
        {"size": (0, 32)},
        {"size": (32,)},
        {"size": (32.5, 32)},
        {"classes": ()},
        {"classes": ("a", "a")},
        {"mean": (1.0, 2.0)},
        {"std": (0.0,)},
        {"std": (1.0, 1.0, 1.0)},
        {"single": ("vein",)},
    ],
)
def test_a_spec_that_makes_no_sense(changes: dict):
    with pytest.raises(ModelError, match="description is wrong"):
        networks.spec(**changes)


def test_unknown_fields_of_a_later_version_are_no_harm():
    text = networks.spec().to_json().replace("{", '{"future": 1, ', 1)
    assert ModelSpec.from_json(text) == networks.spec()
