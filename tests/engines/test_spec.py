"""Tests `ModelSpec`: its JSON form in a model file, and the refusal of invalid values."""

import json

import networks
import pytest

from rtseg.engines.base import ModelSpec, StateSpec, complete_spec
from rtseg.errors import ModelError


def test_there_and_back():
    assert ModelSpec.from_json(networks.spec(single=("lumen",)).to_json()) == networks.spec(single=("lumen",))


def test_how_a_network_is_fed_and_read_survives_the_file():
    described = networks.spec(
        normalization="percentile", percentiles=(1.0, 99.0), mean=(0.5,), std=(0.5,), activation="sigmoid", layout="NHWC",
        output_layout="HWC", channel_order="bgr", dtype="uint8", frames=3, constants=(("ratio", 0.25),),
        further_outputs=("edge",),
    )  # fmt: skip
    assert ModelSpec.from_json(described.to_json()) == described
    assert not described.is_plain


def test_a_file_of_an_earlier_version_is_read_as_before():
    earlier = {"name": "old", "size": [32, 48], "classes": ["lumen"], "mean": [1.0], "std": [2.0], "states": []}
    found = ModelSpec.from_json(json.dumps(earlier))
    assert (found.normalization, found.activation, found.is_plain) == ("constants", "none", True)


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
        {"normalization": "median"},
        {"normalization": ["zscore"]},
        {"percentiles": (99.0, 1.0)},
        {"activation": "relu"},
        {"layout": "CWH"},
        {"output_layout": "N"},
        {"channel_order": "gbr"},
        {"dtype": "int64"},
        {"frames": 0},
        {"constants": ("ratio",)},
        {"further_outputs": ("logits",)},
    ],
)
def test_a_spec_that_makes_no_sense(changes: dict):
    with pytest.raises(ModelError, match="description is wrong"):
        networks.spec(**changes)


def test_unknown_fields_of_a_later_version_are_no_harm():
    text = networks.spec().to_json().replace("{", '{"future": 1, ', 1)
    assert ModelSpec.from_json(text) == networks.spec()


class TestNamed:
    """Tests that a user's spec is completed with the network's actual port names and shapes."""

    TOLD = networks.spec(states=(StateSpec("h", "h2", ()),))

    def test_what_is_no_state_is_the_image_and_the_first_such_output_the_logits(self):
        found = complete_spec(
            self.TOLD, {"h": (1, 4, 8, 8), "x": (1, 1, 32, 48)}, {"h2": (1, 4, 8, 8), "y": (1, 1, 32, 48), "z": (1,)}
        )
        assert (found.image_input, found.logits_output) == ("x", "y")
        assert found.states == (StateSpec("h", "h2", (1, 4, 8, 8)),)

    def test_names_that_are_right_are_kept(self):
        found = complete_spec(self.TOLD, {"x": (1,), "image": (1,), "h": (1,)}, {"y": (1,), "logits": (1,)})
        assert (found.image_input, found.logits_output) == ("image", "logits")

    def test_of_two_images_none_is_chosen(self):
        assert complete_spec(self.TOLD, {"x": (1,), "y": (1,)}, {}).image_input == "image"

    def test_a_shape_that_was_told_is_not_overruled(self):
        told = networks.spec(states=(StateSpec("h", "h2", (1, 2, 8, 8)),))
        assert complete_spec(told, {"h": (1, 4, 8, 8)}, {}).states == told.states
