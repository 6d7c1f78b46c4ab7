"""Tests that what a user states replaces what a file says, and nothing else of it."""

import networks
import numpy as np
import pytest

from rtseg.engines.adopt.stated import StatedFacts
from rtseg.engines.load import ENGINES, load_engine

FACTS = StatedFacts(normalization="zscore", mean=(0.0,), std=(1.0,))


@pytest.mark.parametrize("name", ENGINES)
def test_a_stated_normalization_leaves_the_rest_of_the_description(name, tmp_path):
    path = networks.recurrent(tmp_path / "tiny.onnx", networks.spec(ellipse=("lumen",)))
    engine = load_engine(path, name, spec=FACTS)
    assert (engine.spec.normalization, engine.spec.mean, engine.spec.std) == ("zscore", (0.0,), (1.0,))
    assert (engine.spec.classes, engine.spec.ellipse, engine.spec.states) == (("lumen",), ("lumen",), (networks.STATE,))
    logits, _ = engine.infer(np.ones((1, 1, *networks.SIZE), np.float32), engine.initial_state())
    np.testing.assert_allclose(logits, 0.5)


def test_facts_survive_the_way_to_the_child_process():
    facts = StatedFacts.of(networks.spec()).overridden_by(FACTS)
    assert StatedFacts.from_json(facts.to_json()) == facts
