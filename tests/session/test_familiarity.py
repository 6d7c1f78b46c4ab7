"""A picture unlike those that the model was made from is told, and a model without calibration says nothing."""

from dataclasses import replace

import calibrations
import networks
import numpy as np
import pytest
from session.streams import air, frame_of

from rtseg.engines.base import ModelSpec
from rtseg.engines.load import load_engine
from rtseg.errors import ConfigError, ModelError, UnfamiliarPicture
from rtseg.frame import Frame, Life
from rtseg.measure.region import measure
from rtseg.session.beam_geometry import parse_geometry
from rtseg.session.beam_space import BeamSpaceSession
from rtseg.session.familiarity import FamiliarityJudge
from rtseg.session.session import Session


def _session(tmp_path, calibration, engine="openvino", **options):
    path = networks.recurrent(tmp_path / "tiny.onnx", networks.spec(familiarity=calibration))
    return Session(load_engine(path, engine, trusted=True), **options)


@pytest.mark.parametrize("engine", ["openvino", "onnx"])
def test_a_bright_picture_is_familiar_and_a_dark_one_is_not(tmp_path, engine):
    session = _session(tmp_path, calibrations.brightness(), engine, spacing_mm=0.1)
    bright = session.step(frame_of(0, 200))
    assert bright.familiarity > 0.9
    assert not bright.is_unfamiliar
    assert len(measure(bright)) == 1
    session.reset("another picture")
    dark = session.step(frame_of(1, 60))
    assert 0 <= dark.familiarity < 0.1
    assert dark.is_unfamiliar
    assert measure(dark) == ()
    with pytest.raises(UnfamiliarPicture, match="--measure-unfamiliar"):
        dark.area_mm2("lumen")
    assert session.counts.unfamiliar == 1
    assert session.counts.unjudged == 0


def test_unfamiliar_pictures_are_measured_where_asked(tmp_path):
    session = _session(tmp_path, calibrations.brightness())
    session.settings = replace(session.settings, measure_unfamiliar=True)
    dark = session.step(frame_of(0, 60))
    assert dark.is_unfamiliar
    assert len(measure(dark)) == 1
    with pytest.raises(ConfigError, match="measure_unfamiliar"):
        replace(session.settings, measure_unfamiliar=1)


def test_without_a_calibration_the_familiarity_is_unknown(tmp_path):
    session = _session(tmp_path, None)
    found = session.step(frame_of(0, 60))
    assert found.familiarity is None
    assert not found.is_unfamiliar
    assert len(measure(found)) == 1
    assert session.counts.unjudged == 1


def test_a_smaller_input_and_beam_space_say_that_it_is_unknown(tmp_path, caplog):
    spec = networks.spec(familiarity=calibrations.brightness())
    assert not FamiliarityJudge(replace(spec, size=(16, 24))).is_calibrated
    assert "unknown at an input of 16x24: the model was calibrated at" in caplog.text
    path = networks.recurrent(tmp_path / "tiny.onnx", spec)
    BeamSpaceSession(load_engine(path, trusted=True), geometry=parse_geometry("sector"))
    assert "unknown in beam space" in caplog.text


def test_a_held_frame_has_the_familiarity_of_the_one_that_it_repeats(tmp_path):
    session = _session(tmp_path, calibrations.brightness())
    first = session.step(frame_of(0, 60))
    held = session.step(replace(frame_of(0, 60), index=1))
    assert held.life is Life.HELD
    assert held.familiarity == first.familiarity


def test_a_frame_without_contact_is_not_judged(tmp_path):
    session = _session(tmp_path, calibrations.brightness())
    session.step(frame_of(0, 200))
    found = [session.step(air(index)) for index in range(1, 20)][-1]
    assert found.life is Life.LOST
    assert found.familiarity is None


def test_the_calibration_stays_in_the_file(tmp_path):
    calibration = calibrations.brightness(facts={"subjects": 3})
    spec = networks.spec(familiarity=calibration)
    read = ModelSpec.from_json(spec.to_json())
    assert read.familiarity == calibration
    assert "familiarity" not in networks.spec().to_json()


def test_a_calibration_of_other_features_version_or_size_does_not_judge(tmp_path):
    other = _session(tmp_path, calibrations.brightness(features=30)).step(frame_of(0, 60))
    assert other.familiarity is None
    assert not FamiliarityJudge(networks.spec(familiarity=calibrations.brightness(size=(64, 96)))).is_calibrated
    later = networks.spec(familiarity=calibrations.brightness()).to_json().replace('"version": 1', '"version": 2')
    assert ModelSpec.from_json(later).familiarity is None


@pytest.mark.parametrize(
    "changes",
    [
        {"mean": "no base64!"},
        {"widths": (0.0, 1.0)},
        {"bounds": (float("nan"), 1.0)},
        {"scale": ""},
        {"mean": 7},
        {"basis": "A" * 200_000},
    ],
)
def test_a_broken_calibration_is_refused(changes):
    with pytest.raises(ModelError, match="rtseg calibrate"):
        calibrations.brightness(**changes)


@pytest.mark.parametrize("value", [3, "text", [1], {"version": 1}, {"version": 1, "size": [1, 2]}])
def test_broken_metadata_are_refused(value):
    with pytest.raises(ModelError):
        networks.spec(familiarity=value)


def test_arrays_elsewhere_are_not_judged():
    judge = FamiliarityJudge(networks.spec(familiarity=calibrations.brightness()))
    assert judge.judge(np.zeros((1, 1, 32, 48), np.float32), object(), object()) is None


def test_the_warm_up_leaves_no_familiarity(tmp_path):
    session = _session(tmp_path, calibrations.brightness())
    found = session.step(Frame(np.full((64, 96), 200, np.uint8), 0, 0))
    assert found.familiarity is not None
