"""Tests trainings of seconds: they learn, are reproducible, and resume exactly."""

import json
import warnings

import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from rtseg.cli.app import app
from rtseg.engines.input_planes import fill_input
from rtseg.engines.load import load_engine
from rtseg.errors import ConfigError, DatasetError
from rtseg.kernels.network.fit import letterbox
from rtseg.train import train, trainer
from rtseg.train.checkpoint import load_trained, read_checkpoint
from rtseg.train.config import read_config
from rtseg.train.network_input import clip_input


def test_a_training_leaves_its_files_and_a_network_that_says_what_it_is(config, tmp_path):
    checkpoint = train(config(4), tmp_path / "out", threads=1)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "last.pt",
        "split.json",
        "losses.json",
        "curves.csv",
        "curves.png",
    }
    split = json.loads((tmp_path / "out" / "split.json").read_text())
    assert {name[:6] for name in split["training"]} == {"scan00"}
    assert {name[:6] for name in split["held_out"]} == {"scan01"}
    assert split["twins"] == []
    network, spec = load_trained(checkpoint)
    assert not network.training
    assert (spec.name, spec.size, spec.classes, spec.single) == ("tiny", (48, 48), ("lumen",), ("lumen",))
    assert [(state.input, state.output, state.shape) for state in spec.states] == [("state_0_in", "state_0_out", (1, 64, 3, 3))]


def with_planes(path):
    planes = 'planes = ["gray", "phase_symmetry"]\nmean = [60, 30]\nstd = [40, 40]\n'
    path.write_text(path.read_text().replace("size = [48, 48]", f"size = [48, 48]\n{planes}"))
    return path


def test_a_training_with_planes_gives_a_model_that_runs_on_them(config, tmp_path):
    """Train, export and run on OpenVINO: its logits are those of torch on the planes that a stream computes."""
    checkpoint = train(with_planes(config(4)), tmp_path / "out", threads=1)
    network, spec = load_trained(checkpoint)
    assert (spec.planes, spec.channels, spec.mean) == (("gray", "phase_symmetry"), 2, (60.0, 30.0))
    done = CliRunner().invoke(app, ["export", str(checkpoint), str(tmp_path / "planes.onnx")])
    assert done.exit_code == 0, done.output
    engine = load_engine(tmp_path / "planes.onnx", threads=1)
    image = np.random.default_rng(1).integers(0, 255, (48, 48)).astype(np.uint8)
    x = fill_input(engine.spec, image, letterbox((0, 0, 48, 48), (48, 48)))
    assert np.allclose(x, clip_input(image[None, None].astype(np.float32), read_config(tmp_path / "tiny.toml"))[0], atol=1e-4)
    ours, _ = engine.infer(x, engine.initial_state())
    with torch.no_grad():
        theirs, *_ = network(torch.from_numpy(x), *network.initial_states(1, (48, 48)))
        other, *_ = network(
            torch.from_numpy(np.where(np.arange(2)[None, :, None, None], 0, x).astype(np.float32)),
            *network.initial_states(1, (48, 48)),
        )
    assert np.allclose(engine.download(ours), theirs, atol=1e-3)
    assert not np.allclose(theirs, other, atol=1e-3), "the second plane counts"
    engine.close()


def test_a_network_without_a_checkpoint_of_ours_is_exported_with_planes(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.trace(torch.nn.Conv2d(2, 1, 1), torch.zeros(1, 2, 48, 48)).save(tmp_path / "net.pt")
    described = ["--size", "48x48", "--classes", "bone", "--planes", "gray,phase_symmetry", "--mean", "60,30", "--std", "40,40"]
    done = CliRunner().invoke(app, ["export", str(tmp_path / "net.pt"), str(tmp_path / "net.onnx"), *described])
    assert done.exit_code == 0, done.output
    engine = load_engine(tmp_path / "net.onnx", threads=1)
    assert (engine.spec.planes, engine.spec.mean, engine.spec.std) == (("gray", "phase_symmetry"), (60.0, 30.0), (40.0, 40.0))
    engine.close()


def test_a_held_out_picture_that_is_trained_on_too_is_told(config, dataset_folder, tmp_path, caplog):
    """Check a patient whose frames were split into two subjects."""
    pixels = np.random.default_rng(1).integers(0, 255, (20, 24), np.uint8)
    for name in ("scan00_frame00009", "scan01_frame00009"):
        assert cv2.imwrite(str(dataset_folder / "images" / f"{name}.png"), cv2.resize(pixels, (240, 200)))
        assert cv2.imwrite(str(dataset_folder / "masks" / f"{name}.png"), np.zeros((200, 240), np.uint8))
    train(config(0.1), tmp_path / "out", threads=1)
    split = json.loads((tmp_path / "out" / "split.json").read_text())
    assert split["twins"] == [["scan01_frame00009", "scan00_frame00009"]]
    assert "held-out scan01_frame00009 shows the same view as scan00_frame00009" in caplog.text


def test_a_training_learns(config, tmp_path):
    train(config(40), tmp_path / "out", threads=1)
    losses = json.loads((tmp_path / "out" / "losses.json").read_text())
    assert len(losses) == 30
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


@pytest.mark.parametrize("stills", [0.0, 0.4, 1.0])
def test_a_break_changes_nothing(config, tmp_path, monkeypatch, stills):
    whole = train(config(8, stills=stills), tmp_path / "whole", threads=1)
    broken_at = 3

    class Break(Exception):
        pass

    from rtseg.train.trainer import Trainer

    train_step = Trainer.train_step

    def stumble(trainer, clip):
        if trainer.step == broken_at:
            trainer.save(tmp_path / "broken" / "last.pt")
            raise Break
        return train_step(trainer, clip)

    monkeypatch.setattr(Trainer, "train_step", stumble)
    with pytest.raises(Break):
        train(config(8, stills=stills), tmp_path / "broken", threads=1)
    monkeypatch.undo()
    resumed = train(config(8, stills=stills), tmp_path / "broken", resume=True, threads=1)
    one, other = (read_checkpoint(path)[1] for path in (whole, resumed))
    assert one["step"] == other["step"] == 6
    assert one["losses"] == other["losses"]
    torch.testing.assert_close(one["average"], other["average"])


def test_the_stills_come_first_and_then_the_clips(config, tmp_path, monkeypatch):
    from rtseg.train.trainer import Trainer

    shapes, train_step = [], Trainer.train_step
    monkeypatch.setattr(
        Trainer, "train_step", lambda trainer, clip: (shapes.append(clip.frames.shape[:2]), train_step(trainer, clip))[1]
    )
    train(config(8, stills=0.5), tmp_path / "out", threads=1)
    assert shapes == [(1, 4)] * 3 + [(2, 2)] * 3  # frames, clips


def test_a_training_that_explodes_stops_and_says_so(config, tmp_path):
    with pytest.raises(ConfigError, match=r"the loss is nan at step .*: lower learning_rate"):
        train(config(40, learning_rate=1e30), tmp_path / "out", threads=1)


def test_minutes_end_a_training_too(config, tmp_path):
    checkpoint = train(config(1e6, minutes=0.005), tmp_path / "out", threads=1)
    assert 0 < read_checkpoint(checkpoint)[1]["step"] < 100


def test_a_training_starts_from_another_one(config, tmp_path):
    from rtseg.train.checkpoint import initial_network
    from rtseg.train.config import from_values

    taught = train(config(2), tmp_path / "out", threads=1)
    values = {"name": "b", "classes": ["a", "b"], "data": {"folder": "d", "held_out": []}}
    network = initial_network(from_values({**values, "network": {"start": str(taught)}}, "here")).state_dict()
    before = read_checkpoint(taught)[1]["average"]
    assert {name for name in network if not torch.equal(network[name], before[name])} == {
        "heads.mask.conv.weight",
        "heads.mask.conv.bias",
    }
    with pytest.raises(ConfigError, match="is of another kind of network: start from one of the same encoder and decoder"):
        initial_network(from_values({**values, "network": {"start": str(taught), "size": "M"}}, "here"))


def test_other_settings_do_not_go_on(config, tmp_path):
    train(config(1), tmp_path / "out", threads=1)
    with pytest.raises(ConfigError, match="trained with other settings: go on with those"):
        train(config(2), tmp_path / "out", resume=True)


def test_nothing_to_go_on_from(config, tmp_path):
    with pytest.raises(ConfigError, match=r"last\.pt is not there to go on from: leave --resume out"):
        train(config(1), tmp_path / "out", resume=True)
    assert not (tmp_path / "out").exists()


def test_a_subject_that_is_not_there(config, tmp_path):
    path = config(1)
    path.write_text(path.read_text().replace("scan01", "scan77"))
    with pytest.raises(DatasetError, match="no subject 'scan77' to hold out"):
        train(path, tmp_path / "out")


@pytest.mark.parametrize(
    ("flags", "expected"), [({}, False), ({"avx2": True}, False), ({"avx512_bf16": True}, True), ({"amx_bf16": True}, True)]
)
def test_bfloat16_is_used_where_the_processor_has_it(monkeypatch, flags, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: flags, raising=False)
    assert trainer._has_bfloat16() is expected
