"""Tests cross-validation by subject, curves of the held-out Dice, and a training that ends early."""

import csv
import json

import pytest
from typer.testing import CliRunner

from rtseg.cli.app import app
from rtseg.errors import ConfigError
from rtseg.train import train
from rtseg.train.checkpoint import read_checkpoint
from rtseg.train.cross_validation import cross_validate
from rtseg.train.held_out_watch import HeldOutWatch
from rtseg.train.training_progress import TrainingProgress


def test_each_fold_is_measured_on_subjects_that_it_never_saw(config, tmp_path, monkeypatch):
    path, out = config(1), tmp_path / "folds"
    done = CliRunner().invoke(app, ["train", str(path), "--out", str(out), "--folds", "2", "--threads", "1"])
    assert done.exit_code == 0, done.output
    report = json.loads((out / "folds.json").read_text())
    assert sorted(fold["held_out"] for fold in report["folds"]) == [["scan00"], ["scan01"]]
    for place, fold in enumerate(report["folds"]):
        split = json.loads((out / f"fold{place}" / "split.json").read_text())
        assert split["held_out_subjects"] == fold["held_out"] == list(fold["dice"])
        assert not {name[:6] for name in split["training"]} & set(fold["held_out"])
    assert report["pooled"]["subjects"] == 2
    assert "all: Dice" in done.output
    with pytest.raises(ConfigError, match=r"folds\.json is of an earlier training"):
        cross_validate(path, out, 2, threads=1)
    monkeypatch.setattr("rtseg.train.cross_validation.train_config", lambda *_, **__: pytest.fail("trained again"))
    assert cross_validate(path, out, 2, resume=True, threads=1)["pooled"] == report["pooled"]
    path.write_text(path.read_text().replace('held_out = ["scan01"]', "held_out = []\nsplit_seed = 3"))
    with pytest.raises(ConfigError, match="--folds is 5 for 2 subjects"):
        cross_validate(path, tmp_path / "other", 5, threads=1)


def test_a_training_measures_itself_and_ends_early(config, tmp_path, monkeypatch, caplog):
    values = iter([0.5, 0.6, 0.4, 0.3, 0.9, 0.9])
    monkeypatch.setattr("rtseg.train.held_out_watch.held_out_dice", lambda *_: {"scan01": next(values)})
    settings = config(12, evaluate=6, patience=2, coherence=0.5)
    settings.write_text(settings.read_text().replace('held_out = ["scan01"]\n', ""))
    checkpoint = train(settings, tmp_path / "out", threads=1)
    saved = read_checkpoint(checkpoint)[1]
    assert [dice for _, dice in saved["dice"]] == [0.5, 0.6, 0.4, 0.3]
    assert saved["step"] == saved["dice"][-1][0] < 9
    assert read_checkpoint(tmp_path / "out" / "best.pt")[1]["step"] == saved["dice"][1][0]
    with (tmp_path / "out" / "curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["held_out_dice"]) for row in rows if row["held_out_dice"]] == [0.5, 0.6, 0.4, 0.3]
    assert len(rows) == saved["step"]
    assert "the held-out Dice has not risen for 2 measurements" in caplog.text
    assert "1 of 2 subjects are held out" in caplog.text
    assert train(settings, tmp_path / "out", resume=True, threads=1)
    assert read_checkpoint(checkpoint)[1]["step"] == saved["step"], "a training that ended goes no further"


def test_nobody_is_there_to_be_measured(config, tmp_path):
    settings = config(1, evaluate=2)
    settings.write_text(settings.read_text().replace('held_out = ["scan01"]', "held_out = []"))
    with pytest.raises(ConfigError, match="evaluate measures held-out subjects, and none is held out"):
        train(settings, tmp_path / "out", threads=1)
    assert not (tmp_path / "out" / "last.pt").exists()


def test_the_measure_is_that_of_the_network(config, tmp_path):
    from rtseg.evaluation.dataset import open_dataset
    from rtseg.train.config import read_config
    from rtseg.train.trainer import Trainer

    read = read_config(config(1, evaluate=1))
    trainer = Trainer(read, 1)
    watch = HeldOutWatch(trainer, open_dataset(read.data.folder)[:1], tmp_path)
    assert not watch.is_due
    trainer.step = 1
    assert watch.is_due
    assert 0 <= watch.measure() <= 1
    assert (tmp_path / "best.pt").exists()
    assert not watch.is_due
    assert not watch.is_over


def test_without_a_terminal_plain_lines_tell_the_time_left(capsys):
    with TrainingProgress(0.0) as shown:
        shown.update(0.25, 10, 1.5)
        shown.show_dice(0.75)
        shown.update(1.0, 40, 0.5)
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("step 10 loss 1.500, 25% done, ")
    assert first.endswith("s left")
    assert last == "step 40 loss 0.500 held-out Dice 0.750, 100% done"
