"""Check that --engine auto keeps the fastest form that agrees, with planted engines, and remembers it."""

import json

import networks
import numpy as np
import pytest

from rtseg.engines.choice import Choice, Variant, open_fastest
from rtseg.engines.choice import fastest as fastest_module
from rtseg.engines.choice.fastest import VariantTrial, choice_budget_s, disagreement
from rtseg.engines.choice.stored_pictures import PICTURES_KEY, coded_pictures, reduced_picture, stored_pictures
from rtseg.engines.choice.variant import fastest, variants
from rtseg.engines.convert.model_metadata import write_spec
from rtseg.engines.load import BFLOAT16, load_engine, load_fastest
from rtseg.errors import ConfigError, EngineError, ModelError

PLAIN, BF16, ONE = Variant(), Variant(BFLOAT16), Variant(threads=1)


class Planted:
    """Stands for an engine with a planted error in its logits."""

    def __init__(self, engine, error=0.0):
        self._engine, self._error, self.spec, self.is_closed = engine, error, engine.spec, False

    def infer(self, x, state):
        logits, after = self._engine.infer(x, state)
        return logits + self._error, after

    def close(self):
        self.is_closed = True

    def __getattr__(self, name):
        return getattr(self._engine, name)


@pytest.fixture
def pictures():
    rng = np.random.default_rng(3)
    return [rng.integers(0, 256, (64, 64), np.uint8) for _ in range(3)]


@pytest.fixture
def trial(tiny, pictures, monkeypatch):
    """Return a function that runs a trial with planted times by variant, and errors of logits by variant."""

    def run(times, errors=None, offered=(BF16, ONE), stored=pictures, budget_s=1e9):
        engines = {one: Planted(load_engine(tiny), (errors or {}).get(one, 0.0)) for one in times}
        of_engine = {id(engine): times[one] for one, engine in engines.items()}
        monkeypatch.setattr(fastest_module, "times_ms", lambda *pair: tuple(of_engine[id(one)] for one in pair))
        found = VariantTrial(PLAIN, engines[PLAIN], engines.__getitem__, stored)
        found.run(offered, budget_s, 0.0)
        return found, engines

    return run


@pytest.mark.parametrize(
    ("times", "best"),
    [((3.0, 2.0, 4.0), BF16), ((3.0, 4.0, 2.0), ONE), ((3.0, 2.0, 1.0), ONE), ((2.0, 1.95, 1.96), PLAIN)],
)
def test_the_fastest_stays_open_and_the_others_are_closed(trial, times, best):
    found, engines = trial(dict(zip((PLAIN, BF16, ONE), times, strict=True)))
    assert found.choice.variant == best
    assert found.engine is engines[best]
    assert [engine.is_closed for engine in engines.values()] == [one != best for one in engines]


def test_a_form_that_segments_otherwise_is_refused_however_fast_it_is(trial):
    found, engines = trial({PLAIN: 3.0, BF16: 1.0, ONE: 4.0}, errors={BF16: 100.0})
    assert found.choice.variant == PLAIN
    assert "Dice" in found.choice.refused[str(BF16)]
    assert engines[BF16].is_closed


def test_without_stored_pictures_nothing_that_rounds_differently_is_tried(trial):
    found, engines = trial({PLAIN: 3.0, BF16: 1.0, ONE: 2.0}, stored=())
    assert found.choice.variant == ONE
    assert "--keep-pictures" in str(found.choice)
    assert not engines[BF16].is_closed  # it was never opened


def test_a_form_that_does_not_open_is_told_and_the_time_is_limited(tiny, trial, monkeypatch):
    def refuse(variant):
        raise EngineError("this processor refuses")

    found = VariantTrial(PLAIN, load_engine(tiny), refuse, ())
    found.run([ONE], 1e9, 0.0)
    assert (found.choice.variant, found.choice.refused) == (PLAIN, {str(ONE): "this processor refuses"})
    late, _ = trial({PLAIN: 3.0, BF16: 1.0, ONE: 1.0}, budget_s=0.0)
    assert late.choice.times_ms == {}


def test_a_form_that_fails_while_it_runs_is_closed_and_told(trial, monkeypatch):
    def fail(self, x, state):
        raise EngineError("it ran out of memory")

    monkeypatch.setattr(Planted, "infer", fail)
    found, engines = trial({PLAIN: 3.0, BF16: 1.0}, offered=(BF16,))
    assert (found.choice.variant, found.choice.refused) == (PLAIN, {str(BF16): "it ran out of memory"})
    assert (engines[PLAIN].is_closed, engines[BF16].is_closed) == (False, True)


def test_empty_masks_prove_nothing(tiny, pictures):
    engine = load_engine(tiny)
    assert "nothing" in disagreement(Planted(engine, -1e6), Planted(load_engine(tiny), -1e6), pictures)


def test_a_choice_is_remembered_and_a_damaged_one_is_measured_again(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("RTSEG_CACHE", str(tmp_path))
    monkeypatch.setenv("RTSEG_CHOICE_S", "3600")
    monkeypatch.setattr(fastest_module, "variants", lambda *_, **__: [ONE])
    open_fastest(tiny)
    (place,) = (tmp_path / "engine-choice").iterdir()
    planted = Choice(ONE, {str(PLAIN): 2.0, str(ONE): 1.0}, {})
    place.write_text(json.dumps(planted.to_dict()))
    assert load_fastest(tiny)[1] == planted
    assert load_fastest(tiny, threads=1)[1].variant.threads == 1  # another question
    for damaged in ("", "[]", "{}", '{"variant": {"engine": "other", "threads": 0}, "times_ms": {}, "refused": {}}'):
        place.write_text(damaged)
        assert load_fastest(tiny)[1] != planted


def test_nothing_is_tried_where_the_user_says_so(tiny, monkeypatch):
    monkeypatch.setenv("RTSEG_CHOICE_S", "0")
    assert load_fastest(tiny)[1] == Choice(PLAIN, {}, {})
    monkeypatch.setenv("RTSEG_CHOICE_S", "soon")
    with pytest.raises(ConfigError, match="soon"):
        choice_budget_s()


def test_what_is_offered_depends_on_the_processor_and_the_users_threads():
    assert variants(0, 8, has_bfloat16=True) == [BF16, ONE, Variant(threads=2), Variant(threads=4)]
    assert variants(3, 8, has_bfloat16=True) == [Variant(BFLOAT16, 3)]
    assert variants(0, 1, has_bfloat16=False) == []
    assert fastest({PLAIN: 1.0, ONE: 0.99}) == PLAIN


@pytest.mark.parametrize("shape", [(60, 64), (40, 64, 3)])
def test_pictures_travel_in_the_metadata(tmp_path, shape):
    picture = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    path = networks.recurrent(tmp_path / "tiny.onnx")
    spec = load_engine(path).spec
    write_spec(path, path, spec, {PICTURES_KEY: coded_pictures([picture])})
    coded = {PICTURES_KEY: coded_pictures([picture])}
    (found,) = stored_pictures(coded, (64, 64))
    assert np.array_equal(found, picture)
    assert load_engine(path).spec == spec
    assert stored_pictures(coded, (32, 32)) == []  # larger than the network's input
    with pytest.raises(ModelError, match="too many"):
        coded_pictures([picture] * 17)


@pytest.mark.parametrize("damaged", ["", "{", "[1]", '["AAAA"]', '["*"]', '["iVBORw0KGgo="]'])
def test_damaged_pictures_are_none(damaged):
    assert stored_pictures({PICTURES_KEY: damaged}, (64, 64)) == []


def test_a_picture_is_reduced_to_the_input_and_never_enlarged():
    assert reduced_picture(np.zeros((480, 640), np.uint8), (192, 288)).shape == (192, 256)
    assert reduced_picture(np.zeros((48, 64), np.uint8), (192, 288)).shape == (48, 64)
