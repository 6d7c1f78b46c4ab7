"""Tests checkpoints that are unreadable, incomplete or not writable."""

import errno
import os

import pytest
import torch

from rtseg.errors import ConfigError, SinkError
from rtseg.output.atomic_file import write_or_refuse
from rtseg.train.checkpoint import build_network, initial_network, load_trained, read_checkpoint, write_checkpoint
from rtseg.train.config import from_values
from rtseg.train.trainer import Trainer

VALUES = {"name": "x", "classes": ["a"], "size": [32, 32], "data": {"folder": "d", "held_out": []}}
CONFIG = from_values(VALUES, "here")


@pytest.fixture(scope="module")
def values(tmp_path_factory):
    """Return the checkpoint values of a training after a step."""
    trainer = Trainer(CONFIG, 10)
    for value in trainer.network.parameters():
        value.grad = torch.zeros_like(value)
    trainer.optimiser.step()
    path = tmp_path_factory.mktemp("whole") / "last.pt"
    trainer.save(path)
    return {name: value for name, value in torch.load(path).items() if name not in ("format", "config")}


@pytest.mark.parametrize("rubbish", [b"", b"rubbish", b"PK\x03\x04 cut short"])
def test_a_broken_checkpoint(tmp_path, rubbish):
    (tmp_path / "last.pt").write_bytes(rubbish)
    with pytest.raises(ConfigError) as refused:
        load_trained(tmp_path / "last.pt")
    message = f"{tmp_path / 'last.pt'} is no checkpoint of a training: name a last.pt that `rtseg train` wrote"
    assert str(refused.value) == message


def test_a_checkpoint_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot be read \(No such file or directory\): name a last\.pt"):
        read_checkpoint(tmp_path / "last.pt")


def test_a_whole_one_goes_on(tmp_path, values):
    write_checkpoint(tmp_path / "last.pt", CONFIG, values)
    Trainer(CONFIG, 10).load(tmp_path / "last.pt")
    load_trained(tmp_path / "last.pt")


@pytest.mark.parametrize("lacking", ["average", "network", "optimiser", "step", "seconds", "losses"])
def test_what_lacks_a_part_does_not_go_on(tmp_path, values, lacking):
    write_checkpoint(tmp_path / "last.pt", CONFIG, {name: value for name, value in values.items() if name != lacking})
    with pytest.raises(ConfigError, match="is damaged, or of another version of rtseg: name a whole"):
        Trainer(CONFIG, 10).load(tmp_path / "last.pt")


def _bent(values):
    """Return an optimizer state of other weights."""
    moments = {place: {**state, "exp_avg": torch.zeros(3, 5)} for place, state in values["optimiser"]["state"].items()}
    return {"optimiser": {**values["optimiser"], "state": moments}}


@pytest.mark.parametrize("bent", [_bent, lambda _: {"step": "many"}, lambda _: {"network": 3}, lambda _: {"losses": 3}])
def test_what_has_another_shape_does_not_go_on(tmp_path, values, bent):
    write_checkpoint(tmp_path / "last.pt", CONFIG, {**values, **bent(values)})
    with pytest.raises(ConfigError, match="is damaged"):
        Trainer(CONFIG, 10).load(tmp_path / "last.pt")


@pytest.mark.parametrize("kind", ["no average", "a weight lacks", "a weight's shape", "no table"])
def test_what_has_no_whole_network_is_no_model(tmp_path, kind):
    whole = build_network(CONFIG).state_dict()
    first = next(iter(whole))
    parts = {
        "no average": {},
        "a weight lacks": {"average": {name: value for name, value in whole.items() if name != first}},
        "a weight's shape": {"average": {**whole, first: torch.zeros(2)}},
        "no table": {"average": 3},
    }
    write_checkpoint(tmp_path / "last.pt", CONFIG, parts[kind])
    with pytest.raises(ConfigError, match="is damaged"):
        load_trained(tmp_path / "last.pt")


@pytest.mark.parametrize("average", [{}, {"average": 3}, {"average": {"heads.mask.conv.weight": 3}}])
def test_nothing_begins_with_a_damaged_one(tmp_path, average):
    write_checkpoint(tmp_path / "last.pt", CONFIG, average)
    with pytest.raises(ConfigError, match="is damaged"):
        initial_network(from_values({**VALUES, "network": {"start": str(tmp_path / "last.pt")}}, "here"))


def test_a_full_disk_leaves_the_older_file_and_nothing_else(tmp_path, monkeypatch):
    write_or_refuse(tmp_path / "last.pt", b"older")
    write = os.write

    def full(file, data):
        write(file, data[:2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("rtseg.output.atomic_file.os.write", full)
    with pytest.raises(SinkError, match=r"last\.pt cannot be written \(No space left on device\): make room on its disk"):
        write_checkpoint(tmp_path / "last.pt", CONFIG, {})
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["last.pt"]
    assert (tmp_path / "last.pt").read_bytes() == b"older"
