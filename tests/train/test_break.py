"""Tests that interrupted trainings leave complete files and resume exactly."""

import errno
import json
import signal

import pytest
import torch

from rtseg.errors import ConfigError, SinkError
from rtseg.train import train
from rtseg.train.checkpoint import read_checkpoint
from rtseg.train.interruption import defer_interrupts
from rtseg.train.trainer import Trainer


@pytest.fixture
def interruptible():
    """Install the signal handlers of the command line."""

    def interrupt(*_):
        raise KeyboardInterrupt

    before = {kind: signal.signal(kind, interrupt) for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for kind, handler in before.items():
        signal.signal(kind, handler)


def _tell(kind):
    """Call the handler of a signal; a real signal could interrupt other code in the test process."""
    signal.getsignal(kind)(kind, None)


def _interrupted(config, out, monkeypatch, kind):
    """Interrupt a training in its third step, after the weights changed and before the step is counted."""
    fold_in = Trainer._update_average

    def stumble(trainer):
        if trainer.step == 2:
            _tell(kind)
        fold_in(trainer)

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_update_average", stumble)
        with pytest.raises(KeyboardInterrupt):
            train(config, out, threads=1)


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_training_loses_nothing(config, tmp_path, monkeypatch, kind):
    whole = train(config(8), tmp_path / "whole", threads=1)
    broken = tmp_path / "broken"
    _interrupted(config(8), broken, monkeypatch, kind)
    assert {path.name for path in broken.iterdir()} == {"last.pt", "split.json"}
    assert read_checkpoint(broken / "last.pt")[1]["step"] == 3
    resumed = train(config(8), broken, resume=True, threads=1)
    one, other = (read_checkpoint(path)[1] for path in (whole, resumed))
    assert one["losses"] == other["losses"]
    torch.testing.assert_close(one["average"], other["average"])


@pytest.mark.usefixtures("interruptible")
def test_an_interruption_waits_for_the_end_of_what_is_in_hand():
    done = []

    def work():
        with defer_interrupts():
            _tell(signal.SIGTERM)
            _tell(signal.SIGINT)
            done.append("in hand")
        done.append("after it")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["in hand"]
    with pytest.raises(KeyboardInterrupt):
        _tell(signal.SIGINT)


def test_a_full_disk_in_mid_training_leaves_the_last_checkpoint(config, tmp_path, monkeypatch):
    """Fill the disk at the third checkpoint; the second one stands, and the training goes on from it exactly."""
    whole = train(config(8), tmp_path / "whole", threads=1)
    write, saves = Trainer.save, []

    def save(trainer, path):
        saves.append(trainer.step)
        with monkeypatch.context() as patched:
            if len(saves) == 3:
                patched.setattr("rtseg.output.atomic_file.os.write", full)
            write(trainer, path)

    def full(file, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("rtseg.train.run._SAVE_SECONDS", 0.0)
    monkeypatch.setattr(Trainer, "save", save)
    with pytest.raises(SinkError, match="No space left on device"):
        train(config(8), tmp_path / "broken", threads=1)
    monkeypatch.undo()
    assert saves == [1, 2, 3]
    assert {path.name for path in (tmp_path / "broken").iterdir()} == {"last.pt", "split.json"}
    assert read_checkpoint(tmp_path / "broken" / "last.pt")[1]["step"] == 2
    resumed = train(config(8), tmp_path / "broken", resume=True, threads=1)
    assert read_checkpoint(resumed)[1]["losses"] == read_checkpoint(whole)[1]["losses"]


def test_a_used_folder_is_left_as_it_is(config, dataset_folder, tmp_path):
    train(config(1), tmp_path / "out", threads=1)
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    other = config(1)
    other.write_text(other.read_text().replace("scan01", "scan00"))
    with pytest.raises(ConfigError, match="earlier training: name another folder, or go on from it with --resume"):
        train(other, tmp_path / "out", threads=1)
    with pytest.raises(ConfigError, match="trained with other settings"):
        train(other, tmp_path / "out", resume=True, threads=1)
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert json.loads((tmp_path / "out" / "split.json").read_text())["held_out"][0].startswith("scan01")


@pytest.mark.parametrize("stills", [0.0, 1.0])
def test_a_finished_training_is_not_gone_on_with(config, tmp_path, stills):
    settings = config(1, minutes=0.001, stills=stills)
    step = read_checkpoint(train(settings, tmp_path / "out", threads=1))[1]["step"]
    resumed = train(settings, tmp_path / "out", resume=True, threads=1)
    assert read_checkpoint(resumed)[1]["step"] == step
