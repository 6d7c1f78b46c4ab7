"""Test that the models that ship as they were measured match their configs, are calibrated, and have cards with credits."""

import re
from pathlib import Path

import numpy as np
import pytest

from rtseg import Session, load_engine
from rtseg.engines.class_postprocess import ClassPostprocess
from rtseg.frame import Frame
from rtseg.session.sector import WholeFrame
from rtseg.train.config import read_config

ZOO = Path(__file__).parents[2] / "engines" / "zoo"
CREDITS = {
    "fetal-head": ("HC18", "Zenodo 1327317", "4 or 9", "outline"),
    "breast-lesion": ("BUS-BRA", "Medical Physics 51(4)", "113 patients", "ImageNet", "marks"),
    "muscle": ("DL_Track", "arXiv:2009.04790", "17 groups", "regions=2"),
}


@pytest.fixture(params=[name + form for name in CREDITS for form in ("", "-int8")])
def engine(request):
    engine = load_engine(request.param, threads=1)
    yield engine
    engine.close()


def test_the_file_is_of_the_shipped_config_and_calibrated(engine):
    spec, config = engine.spec, read_config(ZOO / f"{engine.spec.name}.toml")
    assert (spec.size, spec.classes, spec.single) == (config.size, config.classes, config.single)
    assert (spec.mean, spec.std, spec.ellipse, spec.outline_px) == (config.mean, config.std, config.ellipse, config.outline_px)
    assert spec.familiarity is not None
    cleaning = (ClassPostprocess("aponeurosis", regions=2),) if spec.name == "muscle" else ()
    assert spec.postprocess == cleaning


def test_it_draws_nothing_on_black(engine):
    session = Session(engine, locator=WholeFrame(), temporal=None)
    black = Frame(np.zeros((300, 400), np.uint8), 0, 0)
    assert not session.step(black).labels.any()


@pytest.mark.parametrize("name", CREDITS)
def test_the_card_names_data_split_and_limits_and_the_notice_the_credit(name):
    card, notice = (ZOO / f"{name}.md").read_text(), (ZOO.parents[1] / "NOTICE").read_text()
    for words in (*CREDITS[name], "not a medical device", "rtseg eval", "## Limits"):
        assert words in card
    assert f"{name}*.onnx" in notice
    assert not re.search("@[A-Z]+@", card), "a figure is missing"


@pytest.mark.parametrize("name", CREDITS)
def test_the_held_out_subjects_are_stated(name):
    held_out = read_config(ZOO / f"{name}.toml").data.held_out
    assert len(held_out) == len(set(held_out)) == {"fetal-head": 140, "breast-lesion": 113, "muscle": 17}[name]
