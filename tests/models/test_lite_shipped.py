"""Tests that the shipped nerve-vessel models match their config and segment the vessel of an unseen dataset."""

from contextlib import closing
from itertools import islice
from pathlib import Path

import pytest

from rtseg import Session, load_engine, open_source
from rtseg.train.config import read_config

ZOO = Path(__file__).parents[2] / "engines" / "zoo"


@pytest.fixture(params=("nerve-vessel", "nerve-vessel-int8"))
def engine(request):
    engine = load_engine(request.param, threads=1)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def carotid():
    """Return the first frames of the shipped clip and the lumen that the carotid model finds there."""
    engine = load_engine("carotid", threads=1)
    session = Session(engine)
    with closing(open_source("clip:carotid")) as source:
        yield [(frame, session.step(frame).mask("lumen")) for frame in islice(source, 6)]
    engine.close()


def test_the_file_is_of_the_shipped_config(engine):
    config, spec = read_config(ZOO / "nerve-vessel.toml"), engine.spec
    assert (ZOO / "nerve-vessel.onnx").stat().st_size < 8e6
    assert (spec.name, spec.size, spec.classes, spec.single) == (config.name, config.size, config.classes, config.single)
    assert (spec.mean, spec.std) == (config.mean, config.std)


def test_the_card_names_data_split_and_limits():
    card = (ZOO / "nerve-vessel.md").read_text()
    for words in (
        "T. M. Kandaouroff",
        "CC BY 4.0",
        "blocks of ten",
        "ImageNet",
        "not a medical device",
        "rtseg eval",
        "below its aim",
    ):
        assert words in card


def test_it_finds_the_carotid_and_holds_it(engine, carotid):
    session = Session(engine)
    for frame, lumen in carotid:
        vessel = session.step(frame).mask("vessel")
        assert 2 * (vessel & lumen).sum() / (vessel.sum() + lumen.sum()) > 0.7
