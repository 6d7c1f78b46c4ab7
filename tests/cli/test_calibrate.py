"""Tests of `rtseg calibrate` through the command line: what it writes tells own pictures from others."""

import hashlib
import json

import cv2
import networks
import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from rtseg.cli.app import app
from rtseg.engines.convert.weight_average import average
from rtseg.engines.load import load_engine
from rtseg.evaluation.familiarity import calibrate as steps
from rtseg.frame import Frame
from rtseg.session.session import Session


def rtseg(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def tissue(rng):
    """Return a bright square at a random place over dark noise, (64, 96)."""
    image = rng.integers(0, 40, (64, 96), np.uint8)
    top, left = rng.integers(0, 30), rng.integers(0, 50)
    image[top : top + 30, left : left + 40] += 170
    return image


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for kind in ("images", "masks"):
        (path / kind).mkdir()
    for scan in range(5):
        for frame in range(6):
            image = tissue(rng)
            cv2.imwrite(str(path / "images" / f"scan{scan:02d}_frame{frame:05d}.png"), image)
            cv2.imwrite(
                str(path / "masks" / f"scan{scan:02d}_frame{frame:05d}.png"), np.where(image > 120, 255, 0).astype(np.uint8)
            )
    return path


@pytest.fixture(scope="module")
def calibrated(data, tmp_path_factory):
    """Return the network before, the one after, and the report; few drawn pictures, since each takes time."""
    folder = tmp_path_factory.mktemp("net")
    network = networks.convolutional(folder / "net.onnx")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "COUNT", 4)
        done = rtseg("calibrate", network, data, "--out", folder / "after.onnx", "--json", folder / "told.json")
    assert done.exit_code == 0, done.output
    return network, folder / "after.onnx", json.loads((folder / "told.json").read_text())


def test_own_pictures_are_familiar_and_noise_is_not(calibrated):
    session = Session(load_engine(calibrated[1], trusted=True))
    rng = np.random.default_rng(1)
    own = [session.step(Frame(tissue(rng), index, index)).familiarity for index in range(10)]
    session.reset("other pictures")
    noise = [session.step(Frame(rng.integers(0, 256, (64, 96), np.uint8), index, index)) for index in range(3)]
    assert np.median(own) > 0.5
    assert all(found.is_unfamiliar for found in noise if found.familiarity is not None)
    assert any(found.is_unfamiliar for found in noise)


def test_the_network_itself_stays_as_it_is(calibrated):
    before, after = (onnx.load(path) for path in calibrated[:2])
    assert before.graph.SerializeToString() == after.graph.SerializeToString()


def test_the_report_names_groups_subjects_and_cost(calibrated):
    report = calibrated[2]
    assert report["own"]["subjects"] == 5
    assert {"noise", "texture", "desktop", "screen", "synthetic", "scrambled"} <= report["by_group"].keys()
    low, high = report["own"]["interval"]
    assert 0 <= low <= report["own"]["unfamiliar"] <= high <= 1
    assert report["cost_ms"]["median"] > 0


def test_changed_weights_lose_the_calibration(calibrated, tmp_path):
    average([calibrated[1], calibrated[1]], tmp_path / "mean.onnx")
    assert load_engine(tmp_path / "mean.onnx", trusted=True).spec.familiarity is None


def test_one_subject_is_refused_and_the_file_stays(data, calibrated, monkeypatch):
    monkeypatch.setattr(steps, "COUNT", 2)
    before = hashlib.sha256(calibrated[0].read_bytes()).hexdigest()
    done = rtseg("calibrate", calibrated[0], data, "--subjects", "scan01")
    assert done.exit_code == 1
    assert "two subjects or more" in done.output
    assert hashlib.sha256(calibrated[0].read_bytes()).hexdigest() == before
