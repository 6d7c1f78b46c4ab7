"""Tests `--beam-space` on the command line: a run, its recording and its replay."""

import json

import cv2
import networks
import numpy as np
import pytest
from typer.testing import CliRunner

from rtseg.cli.app import app
from rtseg.kernels import Fan, to_fan

SIZE = (340, 400)
FAN = Fan((-60.0, 200.0), 90.0, 330.0, -0.55, 0.55)
SPEC = networks.spec(size=(400, 400), mean=(130.0,), std=(20.0,), states=(), image_input="input", logits_output="output")


def rtseg(*arguments):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return done.exit_code, " ".join(done.output.split())


@pytest.fixture
def model(tmp_path):
    """Return a network that takes pixels above 130 for the class."""
    return networks.stateless(tmp_path / "threshold.onnx", SPEC, SPEC.size)


@pytest.fixture
def fan(tmp_path):
    """Return a folder of pictures of a fan with a bright disk and a thin line, which beam space blurs."""
    folder = tmp_path / "fan"
    folder.mkdir()
    for index in range(6):
        tissue = np.random.default_rng(index).integers(25, 95, (300, 200), np.uint8)
        image = cv2.circle(to_fan(tissue, FAN, SIZE), (190, 170), 45, 200, -1)
        cv2.imwrite(str(folder / f"{index}.png"), cv2.line(image, (170, 250), (230, 240), 200, 1))
    return folder


def test_a_recording_and_its_replay(model, fan, tmp_path):
    common = ["--model", model, "--beam-space", "sector"]
    assert rtseg("run", fan, *common, "--record", tmp_path / "recorded")[0] == 0
    exit_code, told = rtseg("run", f"replay:{tmp_path / 'recorded'}", *common)
    assert (exit_code, "6 of 6 masks are those of the recording, bit for bit" in told) == (0, True)
    _, told = rtseg("run", f"replay:{tmp_path / 'recorded'}", "--model", model)
    assert "6 of 6" not in told, "on the screen the masks are others"


def test_eval_in_beam_space(model, fan, tmp_path):
    folder = tmp_path / "data"
    (folder / "masks").mkdir(parents=True)
    fan.rename(folder / "images")
    for path in (folder / "images").iterdir():
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        cv2.imwrite(str(folder / "masks" / path.name), np.where(image > 130, np.uint8(255), np.uint8(0)))
    geometry = {"size": SIZE, "unit": "px", "apex": [200, -60], "radii": [90, 330], "samples": 400, "lines": 400}
    file = tmp_path / "fan.json"
    file.write_text(json.dumps(geometry | {"angles_deg": [float(np.rad2deg(angle)) for angle in (FAN.left, FAN.right)]}))
    for chosen in ("sector", file):
        exit_code, told = rtseg("eval", model, folder, "--beam-space", chosen, "--json", tmp_path / "report.json")
        assert exit_code == 0, told
        assert "no mask" not in told
        assert json.loads((tmp_path / "report.json").read_text())["classes"]["lumen"]["dice"]["mean"] > 0.97


def test_a_scanner_card_gives_the_beams_from_the_first_frame_on(model, fan, tmp_path):
    assert rtseg("doctor", "--source", fan, "--save", tmp_path / "card.toml")[0] == 0
    common = ["--model", model, "--beam-space", "sector", "--masks"]
    exit_code, told = rtseg("run", fan, *common, tmp_path / "by_card", "--scanner", tmp_path / "card.toml")
    assert exit_code == 0, told
    first = cv2.imread(str(tmp_path / "by_card" / "000000.png"), cv2.IMREAD_GRAYSCALE)
    assert first[170, 190] == 1
    assert 0.8 < np.count_nonzero(first[130:210, 150:230]) / (np.pi * 40**2) < 1.3
