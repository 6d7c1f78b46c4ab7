"""Tests of `rtseg bench track` through the command line, with a tiny network that follows bright squares."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import trackers
from trackers import BLOB, blobs
from typer.testing import CliRunner

from rtseg.bench.tracking import cost, measure
from rtseg.cli.app import app
from rtseg.cli.bench.track import HEADINGS


def bench_track(*arguments):
    return CliRunner().invoke(app, ["bench", "track", *map(str, arguments)], env={"COLUMNS": "300"})


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trackers.tracker(tmp_path_factory.mktemp("track") / "follows.onnx")


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Leave out most of what is scripted, which has tests of its own."""
    monkeypatch.setattr(measure, "with_distractors", lambda _: ())
    monkeypatch.setattr(measure, "_SCRIPTED", ("lift",))


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """Write ten frames of a square that moves, all but three with a mask."""
    for kind in ("images", "masks"):
        (tmp_path / "clip" / kind).mkdir(parents=True)
    for t in range(10):
        image, mask = blobs(t, (12 + t, 8)).image, np.zeros((64, 96), np.uint8)
        mask[8 : 8 + BLOB, 12 + t : 12 + t + BLOB] = 255
        cv2.imwrite(str(tmp_path / "clip" / "images" / f"f{t}.png"), image)
        if t not in (3, 4, 7):
            cv2.imwrite(str(tmp_path / "clip" / "masks" / f"f{t}.png"), mask)
    return tmp_path / "clip"


def test_a_folder_is_measured_and_written(frames: Path, tracker: Path, tiny: Path, tmp_path: Path):
    done = bench_track(frames, "--tracker", tracker, "--model", tiny, "--json", tmp_path / "track.json")
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "track.json").read_text())
    assert set(HEADINGS) <= set(report)
    assert report["track"] > 0.9
    assert report["copy"] < 0.8
    assert report["over"]["track"] == {"clips": 1, "frames": 6}
    assert report["ratio_to_class"] == pytest.approx(report["track"] / report["class"], abs=1e-3)
    assert report["prompts"]["mask"]["track"] > 0.9
    assert report["tracker"] == "follows"
    assert len(report["sha256"]) == 64
    assert "follows: followed objects" in done.output


def test_without_a_class_model_there_is_no_ratio(frames: Path, tracker: Path, tmp_path: Path):
    done = bench_track(frames, "--tracker", tracker, "--json", tmp_path / "track.json")
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "track.json").read_text())
    assert report["ratio_to_class"] is None
    assert report["over"]["ratio_to_class"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "one of the three"),
        (["nowhere"], "has no folder 'images'"),
        (["nowhere", "--cost"], "one of the three"),
        (["nowhere", "--subjects", "a", "--held-out", "b.toml"], "both name subjects"),
        (["synthetic:vessel?faults=lift@0+60"], "does not show the vessel in its first frame"),
        (["--simulated", "nowhere.toml"], "cannot be read"),
    ],
)
def test_what_cannot_be_measured_is_one_line(tracker: Path, arguments: list[str], message: str):
    done = bench_track(*arguments, "--tracker", tracker, "--frames", "30")
    assert done.exit_code == 1
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_label_that_the_class_model_lacks_is_refused(frames: Path, tracker: Path, tiny: Path):
    for path in (frames / "masks").iterdir():
        cv2.imwrite(str(path), np.minimum(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), 3))
    done = bench_track(frames, "--tracker", tracker, "--model", tiny)
    assert done.exit_code == 1
    assert "the masks hold the label 3" in done.stderr


def test_a_model_that_follows_nothing_is_refused(frames: Path, tiny: Path):
    done = bench_track(frames, "--tracker", tiny)
    assert done.exit_code == 1
    assert "follows nothing that is pointed at" in done.stderr


def test_the_cost_is_a_ratio_to_the_class_model(tracker: Path, tiny: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(cost, "SOURCE", "vessel?height=64&width=96")
    monkeypatch.setattr(cost, "FRAMES", 5)
    monkeypatch.setattr(cost, "ROUNDS", 2)
    done = bench_track("--cost", "--tracker", tracker, "--model", tiny, "--json", tmp_path / "cost.json")
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "cost.json").read_text())
    assert list(report["ratio"]) == ["follows, 1 object"]
    assert report["ratio"]["follows, 1 object"] > 0
    assert len(report["rounds_ms"][str(tiny)]) == 2
