"""Tests of `rtseg quantize` followed by `rtseg gate` through the command line."""

import json

import cv2
import networks
import numpy as np
import pytest
from typer.testing import CliRunner

from rtseg.cli.app import app
from rtseg.engines.load import load_engine


def rtseg(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Write three scans of a bright square that moves over noise, and a split that holds out one of them."""
    path = tmp_path_factory.mktemp("data")
    for kind in ("images", "masks"):
        (path / kind).mkdir()
    rng = np.random.default_rng(0)
    names = [f"scan{scan:02d}_frame{frame:05d}" for scan in range(3) for frame in range(6)]
    for place, name in enumerate(names):
        image = rng.integers(0, 60, (64, 96), np.uint8)
        image[place : 40 + place, 20:60] += 160
        mask = np.zeros_like(image)
        mask[place : 40 + place, 20:60] = 255
        cv2.imwrite(str(path / "images" / f"{name}.png"), image)
        cv2.imwrite(str(path / "masks" / f"{name}.png"), mask)
    (path / "split.json").write_text(json.dumps({"training": names[:12], "held_out": names[12:]}))
    return path


@pytest.fixture(scope="module")
def fp32(tmp_path_factory):
    return networks.convolutional(tmp_path_factory.mktemp("net") / "net.onnx")


@pytest.fixture(scope="module")
def int8(fp32, data):
    done = rtseg("quantize", fp32, fp32.with_name("int8.onnx"), "--data", data, "--split", data / "split.json")
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    assert "3 convolutions in INT8, 0 in float, calibrated on 12 frames of scan00, scan01" in said
    assert "scan02" not in said
    return fp32.with_name("int8.onnx")


@pytest.mark.parametrize("engine", ["openvino", "onnx"])
def test_what_was_quantised_passes_the_gate(fp32, int8, data, tmp_path, engine):
    report = tmp_path / "gate.json"
    done = rtseg("gate", fp32, int8, data, "--split", data / "split.json", "--engine", engine, "--json", report)
    assert done.exit_code == 0, done.output
    assert f"{int8} is accepted" in done.output.replace("\n", "")
    figures = json.loads(report.read_text())
    assert figures["accepted"]
    assert figures["classes"]["lumen"]["images"] == 6  # only the held-out scan
    assert 0.9 < figures["classes"]["lumen"]["between"] < 1


def test_a_failing_engine_is_refused_by_name_and_figure_and_the_report_is_kept(fp32, data, tmp_path):
    bad, report = networks.convolutional(tmp_path / "bad.onnx", gain=0.55), tmp_path / "gate.json"
    done = rtseg("gate", fp32, bad, data, "--subjects", "scan02", "--json", report)
    assert done.exit_code == 1
    (failure,) = json.loads(report.read_text())["failures"]
    assert f"error: {bad} is refused: {failure}. Calibrate on more frames" in done.stderr.replace("\n", "")
    assert "the Dice of 'lumen' falls from" in failure


def test_frames_are_shared_among_the_subjects(fp32, data, tmp_path):
    done = rtseg("quantize", fp32, tmp_path / "a.onnx", "--data", data, "--frames", 6)
    assert "calibrated on 12 frames of" in " ".join(done.output.split())  # two of each subject, repeated to four
    done = rtseg("quantize", fp32, tmp_path / "a.onnx", "--data", data, "--frames", 15)
    assert "calibrated on 15 frames of" in " ".join(done.output.split())


def test_of_many_subjects_every_nth_is_taken(fp32, data, tmp_path):
    done = rtseg("quantize", fp32, tmp_path / "a.onnx", "--data", data, "--frames", 2)
    assert "calibrated on 8 frames of scan00, scan02;" in " ".join(done.output.split())  # one of each subject, repeated to four


def test_a_network_in_the_users_words_describes_itself_afterwards(data, tmp_path):
    bare = networks.undescribed(networks.convolutional(tmp_path / "bare.onnx"))
    words = ("--size", "32x48", "--classes", "lumen", "--mean", "100", "--std", "50", "--state", "h_in:h_out")
    done = rtseg("quantize", bare, tmp_path / "int8.onnx", "--data", data, "--float", "first", *words)
    assert done.exit_code == 0, done.output
    assert "2 convolutions in INT8, 1 in float" in " ".join(done.output.split())
    (state,) = load_engine(tmp_path / "int8.onnx").spec.states
    assert (state.input, state.output, state.shape) == ("h_in", "h_out", (1, 4, *networks.HALF))
    done = rtseg("gate", bare, tmp_path / "int8.onnx", data, *words)
    assert done.exit_code == 0, done.output


def test_both_networks_at_the_gate_may_be_described_by_the_user(data, tmp_path):
    bare = networks.undescribed(networks.convolutional(tmp_path / "bare.onnx"))
    words = ("--size", "32x48", "--classes", "lumen", "--mean", "100", "--std", "50", "--state", "h_in:h_out")
    done = rtseg("gate", bare, bare, data, *words)
    assert done.exit_code == 0, done.output


def test_a_split_of_another_folder_is_refused(fp32, int8, data, tmp_path):
    names = json.loads((data / "split.json").read_text())
    other = tmp_path / "split.json"
    other.write_text(json.dumps({**names, "held_out": [*names["held_out"], "scan09_frame00000"]}))
    done = rtseg("gate", fp32, int8, data, "--split", other)
    assert done.exit_code == 1
    assert "scan09_frame00000 first: name the folder it is of" in done.stderr.replace("\n", "")


def test_a_network_with_a_memory_runs_in_the_users_words(tmp_path):
    bare, lines = networks.undescribed(networks.convolutional(tmp_path / "bare.onnx")), tmp_path / "out.jsonl"
    scale = ("--mean", "100", "--std", "50")
    words = ("--size", "32x48", "--classes", "lumen", *scale, "--state", "h_in:h_out", "--json", lines)
    done = rtseg("run", "synthetic:vessel?height=64&width=96&frames=4", "--model", bare, *words)
    assert done.exit_code == 0, done.output
    assert len(lines.read_text().splitlines()) == 1 + 4


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--subjects", "scan09"], "no subject 'scan09': there are scan00, scan01, scan02"),
        (["--split", "nothing.json"], "nothing.json is no split"),
        (["--split", "list.json"], "list.json is no split"),
        (["--split", "other.json"], "are not in the folder, somebody_else first"),
        (["--float", "conv9"], "no convolution named 'conv9'"),
        (["--size", "32x48", "--classes", "lumen", "--state", "h_in"], "--state is not 'h_in': give the names"),
        (["--size", "32x48", "--classes", "lumen", "--state", "a:b"], "has no 'a': it takes image, h_in"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(fp32, data, tmp_path, monkeypatch, arguments, complaint):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "other.json").write_text('{"training": ["somebody_else"]}')
    done = rtseg("quantize", fp32, "out.onnx", "--data", data, *arguments)
    assert done.exit_code == 1
    assert complaint in done.stderr.replace("\n", "")
    assert not (tmp_path / "out.onnx").exists()
