"""Tests that every command which opens a model file has `--trust-model`, and that it holds until the command ends."""

import os

import networks
import pytest
from typer.testing import CliRunner

from rtseg.cli.app import app, load_command
from rtseg.engines.validation import examination

BENCH = ("run", "engines", "loop", "speckle", "temporal")


@pytest.mark.parametrize("name", ["run", "adopt", "doctor", "models", "average", "build", "eval", "export", "gate", "quantize"])
def test_a_command_that_opens_a_model_has_it_once(name):
    assert [one.opts for one in load_command(name).params if one.name == "trust_model"] == [["--trust-model"]]


@pytest.mark.parametrize("name", BENCH)
def test_so_has_each_mode_of_the_benchmark(name):
    assert [one.opts for one in load_command("bench").commands[name].params if one.name == "trust_model"] == [["--trust-model"]]


def test_others_have_it_not():
    for command in (load_command("demo"), load_command("train"), load_command("bench").commands["kernels"]):
        assert all(one.name != "trust_model" for one in command.params)


def test_it_counts_until_the_command_ends(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(examination.TRUST)
    examined = []
    monkeypatch.setattr(examination, "_run_child", lambda path, *_: examined.append(path))
    model = networks.recurrent(tmp_path / "mine.onnx")
    bench = ["bench", "run", "clip:carotid", "--model", str(model), "--frames", "10", "--rounds", "1", "--quick"]
    ran = CliRunner().invoke(app, [*bench, "--trust-model"])
    assert ran.exit_code == 0, ran.output
    assert not examined
    assert examination.TRUST not in os.environ
    assert CliRunner().invoke(app, bench).exit_code == 0
    assert examined == [model]


def test_it_counts_for_a_smaller_input_too(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(examination.TRUST)
    examined = []
    monkeypatch.setattr(examination, "_run_child", lambda path, engine, *_: examined.append(engine))
    model = networks.recurrent(tmp_path / "mine.onnx")
    run = ["run", "clip:carotid", "--model", str(model), "--budget", "100ms"]
    assert CliRunner().invoke(app, [*run, "--trust-model"]).exit_code == 0
    assert not examined
    assert CliRunner().invoke(app, run).exit_code == 0
    assert examined == ["openvino", "reduced"]
